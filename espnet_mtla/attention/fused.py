"""Launches the kernels of latent attention (:mod:`.kernel`, :mod:`.write_kernel`).

Imported only where they run (a search's backend says), since it needs Triton.
"""

from functools import cache
from typing import NamedTuple

import torch
import triton

from espnet_mtla.attention.contract import LayerCache
from espnet_mtla.attention.kernel import prompt_kernel, tail_kernel
from espnet_mtla.attention.latent import LatentAttention
from espnet_mtla.attention.step import Step
from espnet_mtla.attention.write_kernel import copy_kernel, write_kernel

OPTIONS = {"num_warps": 4, "num_stages": 2}
"""Of the compiler, for the kernels that attend.

They and the tiles are the fastest of those timed on an H200 with 1250 hypotheses that
fit the 99 KiB of shared memory of consumer GPUs with latents of :data:`RANK` (a sweep that
is not kept). Prompts in tiles of 64 columns, which do not fit, took 0.75 to 0.9 of the time.
"""
RANK = 256
"""Channels of a latent at most."""
ROWS = 64
"""Rows in a tile at most."""
COLUMNS = 32
"""Cached positions in a tile of a prompt."""
TAIL_COLUMNS = 16
"""Cached positions in a tile of a tail."""


class Plan(NamedTuple):
    """Grid and tiles of one attention.

    Attributes:
        rows: rows in a tile of the first kernel.
        heads: rows in a tile of the second.
        pieces: parts that a prompt is cut into.
        piece: positions in one, a multiple of :data:`COLUMNS`.
    """

    rows: int
    heads: int
    pieces: int
    piece: int


def plan(n_utt: int, n_rows: int, n_heads: int, size: int, processors: int) -> Plan:
    """Choose grid and tiles.

    A prompt is cut only until each processor has a program: a piece costs ``r`` numbers
    a row, written and read, more than many prompts hold.

    Args:
        n_utt: ``B``.
        n_rows: hypotheses times heads of an utterance.
        n_heads: of a hypothesis.
        size: ``S``, cached positions of the longest prompt.
        processors: of the GPU.
    """
    rows, heads = (min(ROWS, padded(n)) for n in (n_rows, n_heads))
    programs = n_utt * triton.cdiv(n_rows, rows)
    blocks = triton.cdiv(size, COLUMNS)
    wanted = min(blocks, max(1, processors // programs))
    piece = COLUMNS * max(1, triton.cdiv(blocks, max(1, wanted)))
    return Plan(rows, heads, triton.cdiv(size, piece), piece)


def padded(size: int) -> int:
    """Width of a tile that holds ``size``: a power of two, and what a product takes."""
    return max(16, triton.next_power_of_2(size))


@cache
def _processors(device: torch.device) -> int:
    if device.type != "cuda":
        return 8  # Triton's interpreter, in tests
    return torch.cuda.get_device_properties(device).multi_processor_count


def write(
    attention: LatentAttention,
    x: torch.Tensor,
    tail: torch.Tensor,
    at: Step,
    gates: tuple[torch.Tensor, torch.Tensor] | None,
) -> torch.Tensor:
    """Put one new token a hypothesis into the tail; return its absorbed queries.

    Args:
        attention: which projects it.
        x: ``(N, D)``.
        tail: this layer's buffer, ``(N, 1, capacity, r + d_r)``.
        at: where it stands.
        gates: :meth:`HyperNetwork.gates`; None where latents are not weighed.

    Returns:
        ``(N, M, r + d_r)``, scaled.
    """
    rank, heads, nope = attention.rank, attention.n_heads, attention.nope_width
    width = rank + attention.rope_width
    q = attention.linear_q(x).unflatten(-1, (heads, -1))
    query = q.new_empty(len(x), heads, width)
    attention.linear_kv_b.absorb_into(query[..., :rank], q[..., :nope], attention.scale)
    norm = attention.kv_norm
    # not read where there are none
    directions, offsets = gates or (norm.weight, norm.bias)
    with torch.cuda.device_of(x):
        write_kernel[len(x),](
            attention.linear_kv_a(x),
            q,
            query,
            torch.view_as_real(at.phase),
            norm.weight,
            norm.bias,
            directions,
            offsets,
            at.chunk,
            at.slot,
            at.opens,
            tail,
            tail.shape[2],
            norm.eps,
            attention.scale,
            HEADS=heads,
            NOPE=nope,
            R=rank,
            W=width,
            RP=triton.next_power_of_2(rank),
            PAIRS=triton.next_power_of_2(width - rank) // 2,
            ROWS=triton.next_power_of_2(heads),
            GATED=gates is not None,
            num_warps=2,
        )
    return query


def copy_rows(
    source: torch.Tensor,
    target: torch.Tensor,
    newest: torch.Tensor,
    rows: torch.Tensor | None = None,
) -> None:
    """Copy the slots in use of all tails.

    Args:
        source: ``(layers, N, G, capacity, w)``.
        target: as ``source``, which it does not share memory with.
        newest: last slot in use of each of the target's hypotheses, ``(N,)``.
        rows: hypothesis that each is copied from, ``(N,)``; None for itself.
    """
    n_layers, n_hyp, groups, capacity, width = source.shape
    with torch.cuda.device_of(source):
        copy_kernel[n_hyp, n_layers * groups](
            source,
            target,
            newest if rows is None else rows,
            newest,
            groups,
            capacity * width,
            WIDTH=width,
            GATHER=rows is not None,
            BLOCK=1024,
        )


def attends(query: torch.Tensor, rank: int) -> bool:
    """Whether :func:`attend_latent` is what is faster, and fits.

    In half precision alone: in float32 it multiplies without tensor cores, at 0.6 to 0.8
    of the speed of PyTorch's products (``bench/README.md``). And with latents as wide as the
    paper's at most: tiles of wider ones take more shared memory than many GPUs have.
    """
    return query.element_size() == 2 and padded(rank) <= RANK


def attend_latent(
    query: torch.Tensor,
    prompt: LayerCache | None,
    tail: torch.Tensor,
    at: Step,
    rank: int,
) -> torch.Tensor:
    """Attend from one token a hypothesis to the shared prompt and its own tail.

    Padding and unused slots may hold anything; they are not read.

    Args:
        query: ``(N, M, r + d_r)``, scaled.
        prompt: keys ``(B, 1, S, r + d_r)``; None for the tail alone.
        tail: this layer's buffer, ``(N, 1, capacity, r + d_r)``.
        at: whose ``chunks`` and ``slot`` say what is in use.
        rank: ``r``; the values are the first ``r`` channels of the keys.

    Returns:
        ``(N, M, r)``.
    """
    n_hyp, n_heads, width = query.shape
    keys = tail if prompt is None else prompt.keys
    n_utt, size = (1, 0) if prompt is None else (len(keys), keys.shape[2])
    n_rows = n_hyp // n_utt * n_heads
    chosen = plan(n_utt, n_rows, n_heads, size, _processors(query.device))
    constants = {
        "R": rank,
        "W": width,
        "RP": padded(rank),
        "DP": padded(width - rank),
        **OPTIONS,
    }
    totals = query.new_empty(chosen.pieces, n_hyp, n_heads, rank, dtype=torch.float32)
    tops, norms = (totals.new_empty(totals.shape[:3]) for _ in range(2))
    out = query.new_empty(n_hyp, n_heads, rank)
    with torch.cuda.device_of(query):
        if chosen.pieces:
            tiles = triton.cdiv(n_rows, chosen.rows)
            prompt_kernel[tiles, chosen.pieces, n_utt](
                query,
                keys,
                at.chunks,
                totals,
                tops,
                norms,
                n_rows,
                n_hyp // n_utt,
                size,
                chosen.piece,
                ROWS=chosen.rows,
                COLUMNS=COLUMNS,
                **constants,
            )
        tail_kernel[n_hyp, triton.cdiv(n_heads, chosen.heads)](
            query,
            tail,
            at.slot,
            at.chunks,
            totals,
            tops,
            norms,
            out,
            n_heads,
            chosen.piece,
            tail.shape[2],
            ROWS=chosen.heads,
            COLUMNS=TAIL_COLUMNS,
            **constants,
        )
    return out
