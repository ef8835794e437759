"""The paper's equations, literally: the oracle of every test of a variant.

One utterance, one query and one head at a time, with ``T x T`` matrices where
the paper has them; differentiable, slow, and written without anything that the
fast variants are built from. Never used outside tests and benchmarks.
"""

import math
from collections.abc import Callable

import torch

from espnet_mtla.attention.contract import Attention
from espnet_mtla.attention.grouped import GroupedAttention
from espnet_mtla.attention.hyper import HyperNetwork
from espnet_mtla.attention.latent import LatentAttention
from espnet_mtla.attention.source import (
    GroupedSource,
    LatentSource,
    SourceAttention,
    TemporalLatentSource,
)
from espnet_mtla.attention.temporal import TemporalLatentAttention


def naive_attention(
    module: Attention, packed: torch.Tensor, n_prompt: int
) -> torch.Tensor:
    """Attend from the text of one packed sequence.

    Args:
        module: whose weights are used; its class is one of :data:`HEADS`.
        packed: prompt frames, then text, ``(P, D)``.
        n_prompt: how many of them are prompt.

    Returns:
        ``(P - n_prompt, D)``.
    """
    heads = HEADS[type(module)](module, packed)
    size = len(packed)
    mask = stride_aware_causal_mask(size, module.stride)
    rows = []
    for m in range(n_prompt, size):
        rows.append(_attend(m, [n for n in range(size) if mask[m, n]], heads))
    return module.linear_out(torch.stack(rows))


def naive_source_attention(
    module: SourceAttention, text: torch.Tensor, source: torch.Tensor
) -> torch.Tensor:
    """Attend from the text of one utterance to its source.

    Args:
        module: whose weights are used; its class is one of :data:`SOURCE_HEADS`.
        text: ``(L, D)``.
        source: frames of this utterance alone, ``(T_b, D)``.

    Returns:
        ``(L, D)``.
    """
    heads = SOURCE_HEADS[type(module)](module, text, source)
    columns = range(len(heads[0][1]))
    rows = [_attend(m, columns, heads) for m in range(len(text))]
    return module.linear_out(torch.stack(rows))


def _attend(m: int, visible, heads) -> torch.Tensor:
    """Query ``m``'s mean of the visible columns, head behind head."""
    row = []
    for query, keys, values in heads:
        scale = math.sqrt(query.shape[1])
        score = torch.stack([query[m] @ keys[n] / scale for n in visible])
        weight = score.softmax(0)
        row.append(sum(w * values[n] for w, n in zip(weight, visible)))
    return torch.cat(row)


def stride_aware_causal_mask(size: int, stride: int) -> torch.Tensor:
    """Whether query ``m`` sees column ``n``, ``(size, size)`` (paper, eq. of the mask).

    With positions counted from 1: ``n == m``, or ``n < m`` and
    ``n mod stride == 0``. A stride of 1 is the causal mask.
    """
    mask = torch.zeros(size, size, dtype=torch.bool)
    for m in range(1, size + 1):
        for n in range(1, m + 1):
            mask[m - 1, n - 1] = n == m or n % stride == 0
    return mask


def _rotate(x: torch.Tensor) -> torch.Tensor:
    """Rotate row ``p`` of ``(P, w)`` by its position ``p``."""
    size, width = x.shape
    turned = []
    for p in range(size):
        for i in range(width // 2):
            angle = p / 10000 ** (2 * i / width)
            a, b = x[p, 2 * i], x[p, 2 * i + 1]
            turned += [
                a * math.cos(angle) - b * math.sin(angle),
                a * math.sin(angle) + b * math.cos(angle),
            ]
    return torch.stack(turned).view(size, width)


def _grouped_heads(module: GroupedAttention, x: torch.Tensor):
    """Queries, keys and values of each head, each ``(P, w)``."""
    width, share = module.rope_width, module.n_heads // module.n_groups
    heads = []
    for h in range(module.n_heads):
        mine = slice(h * width, (h + 1) * width)
        group = slice(h // share * width, (h // share + 1) * width)
        heads.append(
            (
                _rotate(module.linear_q(x)[:, mine]),
                _rotate(module.linear_k(x)[:, group]),
                module.linear_v(x)[:, group],
            )
        )
    return heads


def _latent_heads(module: LatentAttention, x: torch.Tensor):
    """Queries, keys and values of each head."""
    return _heads_of_latents(module, x, _latents(module, x))


def _temporal_latent_heads(module: TemporalLatentAttention, x: torch.Tensor):
    """The same of latents that are merged first."""
    c = _latents(module, x)
    return _heads_of_latents(module, x, hyper_network(module, c) @ c)


def _latents(module: LatentAttention | LatentSource, x: torch.Tensor) -> torch.Tensor:
    """``(P, D)`` to ``(P, r)``."""
    return module.kv_norm(module.linear_kv_a(x)[:, : module.rank])


def _heads_of_latents(module: LatentAttention, x: torch.Tensor, c: torch.Tensor):
    nope, rope, value = module.nope_width, module.rope_width, module.value_width
    k_rope = _rotate(module.linear_kv_a(x)[:, module.rank :])
    up = module.linear_kv_b.weight.view(module.n_heads, nope + value, module.rank)
    heads = []
    for h in range(module.n_heads):
        q = module.linear_q(x).view(len(x), module.n_heads, nope + rope)[:, h]
        heads.append(
            (
                torch.cat((q[:, :nope], _rotate(q[:, nope:])), dim=1),
                torch.cat((c @ up[h, :nope].T, k_rope), dim=1),
                c @ up[h, nope:].T,
            )
        )
    return heads


def _grouped_source_heads(module: GroupedSource, text, source):
    """Queries ``(L, w)`` and the source's keys and values ``(T_b, w)``."""
    width, share = module.width, module.n_heads // module.n_groups
    heads = []
    for h in range(module.n_heads):
        group = slice(h // share * width, (h // share + 1) * width)
        heads.append(
            (
                module.linear_q(text)[:, h * width : (h + 1) * width],
                module.linear_k(source)[:, group],
                module.linear_v(source)[:, group],
            )
        )
    return heads


def _latent_source_heads(module: LatentSource, text, source):
    """Queries ``(L, nope)``, keys and values of the source's frames."""
    return _source_heads_of_latents(module, text, _latents(module, source))


def _temporal_latent_source_heads(module: TemporalLatentSource, text, source):
    """The same of its chunks.

    A chunk is the partial sum at its newest frame, which for the last one may
    come before the chunk is full.
    """
    c, s = _latents(module, source), module.stride
    newest = [n for n in range(len(c)) if n % s == s - 1 or n == len(c) - 1]
    merged = (hyper_network(module, c) @ c)[newest]
    return _source_heads_of_latents(module, text, merged)


def _source_heads_of_latents(module: LatentSource, text, c: torch.Tensor):
    nope, value = module.nope_width, module.value_width
    up = module.linear_kv_b.weight.view(module.n_heads, nope + value, module.rank)
    queries = module.linear_q(text).view(len(text), module.n_heads, nope)
    return [
        (queries[:, h], c @ up[h, :nope].T, c @ up[h, nope:].T)
        for h in range(module.n_heads)
    ]


def hyper_network(module: HyperNetwork, c: torch.Tensor) -> torch.Tensor:
    """The ``T x T`` merge matrix: row ``m`` makes the partial sum at ``m``."""
    size, width, s = len(c), module.rank, module.stride
    rows = []
    for m in range(size):
        j = m // s
        pe = torch.tensor(
            [
                (math.sin if i % 2 == 0 else math.cos)(
                    j / 10000 ** (i // 2 * 2 / width)
                )
                for i in range(width)
            ],
            dtype=c.dtype,
        )
        row = [
            torch.sigmoid(
                module.gate_gain**2 * (module.linear_c(pe) @ module.linear_p(c[i]))
            )
            if i // s == j and i <= m
            else c.new_zeros(())
            for i in range(size)
        ]
        rows.append(torch.stack(row))
    return torch.stack(rows)


HEADS: dict[type, Callable] = {
    GroupedAttention: _grouped_heads,
    LatentAttention: _latent_heads,
    TemporalLatentAttention: _temporal_latent_heads,
}
"""Makes queries, keys and values, each ``(P, w)``, of each head of a class."""
SOURCE_HEADS: dict[type, Callable] = {
    GroupedSource: _grouped_source_heads,
    LatentSource: _latent_source_heads,
    TemporalLatentSource: _temporal_latent_source_heads,
}
"""The same: queries ``(L, w)`` of a text, keys and values of its source."""
