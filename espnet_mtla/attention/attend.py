"""Attention of one token a hypothesis, on any device."""

import torch
import torch.nn.functional as F

from espnet_mtla.attention.contract import LayerCache
from espnet_mtla.onednn import multiplies, product


def attend(
    query: torch.Tensor,
    prompt: LayerCache | None,
    prompt_unused: torch.Tensor | None,
    tail_keys: torch.Tensor,
    tail_values: torch.Tensor,
    tail_unused: torch.Tensor | None,
) -> torch.Tensor:
    """Attend from one token a hypothesis to the shared prompt and its own tail.

    All hypotheses of an utterance, and all heads that share keys, meet its
    prompt in one matrix product.

    Args:
        query: ``(N, G, M, w)``, ``M`` heads in each of ``G`` groups; scaled.
        prompt: ``B`` rows of ``S`` positions; None for the tail alone.
        prompt_unused: padding, ``(B, 1, 1, S)``, or None.
        tail_keys: ``(N, G, n, w)``.
        tail_values: ``(N, G, n, v)``.
        tail_unused: ``(N, 1, 1, n)`` or None.

    Returns:
        ``(N, G, M, v)``.
    """
    if prompt is None:
        used = None if tail_unused is None else ~tail_unused
        return F.scaled_dot_product_attention(
            query, tail_keys, tail_values, attn_mask=used, scale=1.0
        )
    n_utt, n_groups, size, _ = prompt.keys.shape
    n_hyp, _, n_heads, width = query.shape
    folded = (n_utt, n_hyp // n_utt, n_groups, n_heads)  # (B, H, G, M)
    by_utt = query.view(*folded, width).transpose(1, 2).flatten(2, 3)
    scores = product(by_utt, prompt.keys)  # (B, G, H * M, S)
    if prompt_unused is not None:
        scores.masked_fill_(prompt_unused, float("-inf"))
    scores = scores.unflatten(2, (folded[1], n_heads)).transpose(1, 2)
    own = query @ tail_keys.transpose(-1, -2)  # (N, G, M, n)
    if tail_unused is not None:
        own.masked_fill_(tail_unused, float("-inf"))
    scores = torch.cat((scores.reshape(n_hyp, n_groups, n_heads, size), own), dim=-1)
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    seen, own = weights.split((size, own.shape[-1]), dim=-1)
    seen = seen.view(*folded, size).transpose(1, 2).flatten(2, 3)
    values = prompt.values
    if prompt.shared and multiplies(seen, prompt.keys):
        values = prompt.keys  # oneDNN reads whole rows
    out = product(seen, values.mT)[..., : prompt.values.shape[-1]]
    out = out.unflatten(2, (folded[1], n_heads)).transpose(1, 2)
    return out.reshape(n_hyp, n_groups, n_heads, -1) + own @ tail_values
