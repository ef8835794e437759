"""Absorbed latent attention of one token a hypothesis, in Triton.

What :func:`espnet_mtla.attention.attend.attend` does for the latent variants, in
two kernels that read a cached latent once for its key and its value:

1. rows (the heads of an utterance's hypotheses, packed into tiles) against one piece
   of that utterance's prompt, and no further than its own length;
2. one hypothesis's heads: merge the pieces, then attend to its own tail.

Softmax runs online (Milakov and Gimelshein 2018) over a prompt cut into pieces, as
in Flash-Decoding: a piece's result is its unnormalised sum, its maximum and its
normaliser, in float32. Tiles have powers of two as widths and ``r + d_r`` is none,
so latent and rotary channels are two products, each padded and masked by itself.

Needs Triton; :mod:`.fused` launches them.
"""

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)
"""Of scores before ``exp2``, which is what GPUs compute."""


@triton.jit
def _load(base, rows, seen, R: tl.constexpr, W: tl.constexpr, RP, DP):
    """Latent ``(rows, RP)`` and rotary ``(rows, DP)`` channels, padded with zeros."""
    at = base + rows[:, None] * W
    r = tl.arange(0, RP)[None, :]
    d = tl.arange(0, DP)[None, :]
    latent = tl.load(at + r, mask=seen[:, None] & (r < R), other=0.0)
    rotary = tl.load(at + R + d, mask=seen[:, None] & (d < W - R), other=0.0)
    return latent, rotary


@triton.jit
def _attend(
    latent,
    rotary,
    total,
    top,
    norm,
    cached,
    begin,
    end,
    R: tl.constexpr,
    W: tl.constexpr,
    RP: tl.constexpr,
    DP: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Add the cached positions ``begin`` to ``end`` to a running softmax.

    ``total`` is the sum of ``exp2(score - top) value``, ``norm`` that of the weights.
    """
    for first in range(begin, end, COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        seen = columns < end
        value, key = _load(cached, columns, seen, R, W, RP, DP)
        score = tl.dot(latent, tl.trans(value), input_precision="ieee")
        score += tl.dot(rotary, tl.trans(key), input_precision="ieee")
        score = tl.where(seen[None, :], score * LOG2_E, float("-inf"))
        higher = tl.maximum(top, tl.max(score, 1))
        weight = tl.exp2(score - higher[:, None])
        fade = tl.exp2(top - higher)
        norm = norm * fade + tl.sum(weight, 1)
        total *= fade[:, None]
        total += tl.dot(weight.to(value.dtype), value, input_precision="ieee")
        top = higher
    return total, top, norm


@triton.jit(do_not_specialize=["n_rows", "share", "size", "piece"])
def prompt_kernel(
    query,
    keys,
    cached,
    totals,
    tops,
    norms,
    n_rows,
    share,
    size,
    piece,
    R: tl.constexpr,
    W: tl.constexpr,
    RP: tl.constexpr,
    DP: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Attend from a tile of rows to a piece of their prompt; grid (tiles, pieces, B).

    ``query`` is ``(B, n_rows, W)``, ``keys`` ``(B, size, W)``, ``cached`` ``(N,)``
    with ``share`` hypotheses an utterance; results are ``(pieces, B, n_rows[, R])``,
    left unwritten where the utterance is shorter.
    """
    part = tl.program_id(1)
    utt = tl.program_id(2).to(tl.int64)
    begin = part * piece
    end = tl.minimum(begin + piece, tl.load(cached + utt * share).to(tl.int32))
    if begin >= end:
        return
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    valid = rows < n_rows
    latent, rotary = _load(query + utt * n_rows * W, rows, valid, R, W, RP, DP)
    total, top, norm = _attend(
        latent,
        rotary,
        tl.zeros((ROWS, RP), tl.float32),
        tl.full((ROWS,), float("-inf"), tl.float32),
        tl.zeros((ROWS,), tl.float32),
        keys + utt * size * W,
        begin,
        end,
        R,
        W,
        RP,
        DP,
        COLUMNS,
    )
    at = (part * tl.num_programs(2) + utt) * n_rows + rows
    r = tl.arange(0, RP)[None, :]
    tl.store(totals + at[:, None] * R + r, total, mask=valid[:, None] & (r < R))
    tl.store(tops + at, top, mask=valid)
    tl.store(norms + at, norm, mask=valid)


@triton.jit(do_not_specialize=["n_heads", "piece", "capacity"])
def tail_kernel(
    query,
    tail,
    slots,
    cached,
    totals,
    tops,
    norms,
    out,
    n_heads,
    piece,
    capacity,
    R: tl.constexpr,
    W: tl.constexpr,
    RP: tl.constexpr,
    DP: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Merge the pieces of a hypothesis's heads with its tail; grid (N, tiles).

    ``query`` is ``(N, n_heads, W)``, ``tail`` ``(N, capacity, W)``, ``slots``
    ``(N,)`` the newest in use, ``out`` ``(N, n_heads, R)``.
    """
    hyp = tl.program_id(0).to(tl.int64)
    rows = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    valid = rows < n_heads
    total = tl.zeros((ROWS, RP), tl.float32)
    top = tl.full((ROWS,), float("-inf"), tl.float32)
    norm = tl.zeros((ROWS,), tl.float32)
    r = tl.arange(0, RP)[None, :]
    within = valid[:, None] & (r < R)
    at = hyp * n_heads + rows
    step = tl.num_programs(0).to(tl.int64) * n_heads
    for part in range(tl.cdiv(tl.load(cached + hyp).to(tl.int32), piece)):
        here = part * step + at
        its_top = tl.load(tops + here, mask=valid, other=0.0)
        its_norm = tl.load(norms + here, mask=valid, other=0.0)
        its_total = tl.load(totals + here[:, None] * R + r, mask=within, other=0.0)
        higher = tl.maximum(top, its_top)
        fade, its_fade = tl.exp2(top - higher), tl.exp2(its_top - higher)
        norm = norm * fade + its_norm * its_fade
        total = total * fade[:, None] + its_total * its_fade[:, None]
        top = higher
    latent, rotary = _load(query + hyp * n_heads * W, rows, valid, R, W, RP, DP)
    total, top, norm = _attend(
        latent,
        rotary,
        total,
        top,
        norm,
        tail + hyp * capacity * W,
        0,
        tl.load(slots + hyp).to(tl.int32) + 1,
        R,
        W,
        RP,
        DP,
        COLUMNS,
    )
    tl.store(out + at[:, None] * R + r, total / norm[:, None], mask=within)
