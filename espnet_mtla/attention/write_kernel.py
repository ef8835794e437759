"""What is written into tails, in Triton: new tokens of latent variants, and reorders.

The first is one kernel for some twenty of PyTorch's; the second copies the slots in use
alone, of which the host need not know how many there are. Needs Triton; :mod:`.fused`
launches them.
"""

import triton
import triton.language as tl


@triton.jit
def _rotate(source, phase, target, seen, scale):
    """Rotate pairs of neighbouring channels; ``phase`` holds cosine and sine."""
    even = tl.load(source, mask=seen, other=0.0).to(tl.float32)
    odd = tl.load(source + 1, mask=seen, other=0.0).to(tl.float32)
    cosine = tl.load(phase, mask=seen, other=0.0)
    sine = tl.load(phase + 1, mask=seen, other=0.0)
    tl.store(target, (even * cosine - odd * sine) * scale, mask=seen)
    tl.store(target + 1, (even * sine + odd * cosine) * scale, mask=seen)


@triton.jit(do_not_specialize=["capacity"])
def write_kernel(
    down,
    query,
    absorbed,
    phase,
    weight,
    bias,
    directions,
    offsets,
    chunk,
    slots,
    opens,
    tail,
    capacity,
    eps,
    scale,
    HEADS: tl.constexpr,
    NOPE: tl.constexpr,
    R: tl.constexpr,
    W: tl.constexpr,
    RP: tl.constexpr,
    PAIRS: tl.constexpr,
    ROWS: tl.constexpr,
    GATED: tl.constexpr,
):
    """Put one hypothesis's token into its tail, and rotate its queries; grid ``(N,)``.

    ``down`` ``(N, W)`` is the down-projection, whose first ``R`` channels are
    normalised (``weight``, ``bias``, ``eps``), weighed by the gates of ``chunk``
    ``(N,)`` and added to slot ``slots`` ``(N,)`` of ``tail`` ``(N, capacity, W)``
    unless it ``opens`` ``(N,)``. ``query`` is ``(N, HEADS, NOPE + W - R)``; its last
    channels become those of ``absorbed`` ``(N, HEADS, W)``, times ``scale``.
    """
    D: tl.constexpr = W - R
    hyp = tl.program_id(0).to(tl.int64)
    at = tail + (hyp * capacity + tl.load(slots + hyp)) * W
    r = tl.arange(0, RP)
    within = r < R
    latent = tl.load(down + hyp * W + r, mask=within, other=0.0).to(tl.float32)
    latent = tl.where(within, latent - tl.sum(latent) / R, 0.0)
    latent *= tl.rsqrt(tl.sum(latent * latent) / R + eps)
    latent *= tl.load(weight + r, mask=within, other=0.0).to(tl.float32)
    latent += tl.load(bias + r, mask=within, other=0.0).to(tl.float32)
    if GATED:
        j = tl.load(chunk + hyp)
        direction = tl.load(directions + j * R + r, mask=within, other=0.0)
        latent *= tl.sigmoid(tl.sum(latent * direction) + tl.load(offsets + j))
        merges = tl.load(opens + hyp) == 0
        old = tl.load(at + r, mask=within & merges, other=0.0)
        latent += old.to(tl.float32)
    tl.store(at + r, latent, mask=within)
    pair = tl.arange(0, PAIRS)
    turns = phase + hyp * D + 2 * pair
    _rotate(down + hyp * W + R + 2 * pair, turns, at + R + 2 * pair, pair < D // 2, 1.0)
    heads = tl.arange(0, ROWS)[:, None]
    pair = pair[None, :]
    row = hyp * HEADS + heads
    _rotate(
        query + row * (NOPE + D) + NOPE + 2 * pair,
        phase + hyp * D + 2 * pair + 0 * heads,
        absorbed + row * W + R + 2 * pair,
        (heads < HEADS) & (pair < D // 2),
        scale,
    )


@triton.jit
def copy_kernel(
    source,
    target,
    rows,
    newest,
    groups,
    size,
    WIDTH: tl.constexpr,
    GATHER: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Copy slots up to ``newest`` ``(N,)`` of hypothesis ``rows[n]`` to hypothesis ``n``.

    Grid ``(N, layers * groups)`` over ``(layers, N, groups, size)``; without ``GATHER``
    each is copied from itself.
    """
    hyp = tl.program_id(0).to(tl.int64)
    layer = (tl.program_id(1) // groups) * tl.num_programs(0)
    group = tl.program_id(1) % groups
    row = tl.load(rows + hyp) if GATHER else hyp
    into = target + ((layer + hyp) * groups + group) * size
    out_of = source + ((layer + row) * groups + group) * size
    end = (tl.load(newest + hyp).to(tl.int32) + 1) * WIDTH
    for first in range(0, end, BLOCK):
        at = first + tl.arange(0, BLOCK)
        tl.store(into + at, tl.load(out_of + at, mask=at < end), mask=at < end)
