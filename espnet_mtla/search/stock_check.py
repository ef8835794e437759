"""Which of ESPnet's scorers can step over cached keys and values, and why others cannot."""

from typing import Any

import torch

from espnet_mtla import compat
from espnet_mtla.search.stock import StockScorer


def why_not_stock(scorer: Any) -> str | None:
    """Say why a scorer is none that :func:`stock_scorer` takes; None where it is."""
    kind = type(scorer)
    attentions: tuple[str, ...] = ("self_attn",)
    if kind is compat.transformer_decoder():
        parts, attentions = scorer.decoders, ("self_attn", "src_attn")
        layer, position = compat.DecoderLayer, scorer.embed[-1]
        if type(scorer.embed[0]) is not torch.nn.Embedding:
            return "its input layer is not embed"  # which no search can run
    elif kind is compat.transformer_lm():
        parts = scorer.encoder.encoders
        layer, position = compat.EncoderLayer, scorer.encoder.embed[-1]
    else:
        return f"it is a {kind.__name__}"
    encodings = compat.PositionalEncoding, compat.ScaledPositionalEncoding
    none = type(position) is torch.nn.Sequential and not len(position)
    if type(position) not in encodings and not none:
        return f"its positions are {type(position).__name__}"
    for part in parts:
        if type(part) is not layer:
            return f"it has a {type(part).__name__}"
        for attention in (getattr(part, name) for name in attentions):
            if type(attention) is not compat.MultiHeadedAttention:
                return f"it has a {type(attention).__name__}"
        if type(part.feed_forward) is not compat.PositionwiseFeedForward:
            return f"it has a {type(part.feed_forward).__name__}"
        if getattr(part, "sequential_attn", None) is not None:
            return "it attends to two sources"
    return None


def stock_scorer(scorer: Any) -> StockScorer:
    """Return one that scores as ESPnet's, of the same modules.

    Args:
        scorer: a ``TransformerDecoder`` or a ``TransformerLM``.

    Raises:
        ValueError: it is another; see :func:`why_not_stock`.
    """
    if why := why_not_stock(scorer):
        raise ValueError(why)
    if type(scorer) is compat.transformer_decoder():
        (embed, position), stack, layers = scorer.embed, scorer, scorer.decoders
        before, output = [embed], scorer.output_layer
    else:
        stack, layers, output = scorer.encoder, scorer.encoder.encoders, scorer.decoder
        *between, position = stack.embed
        before = [scorer.embed, *between]
    after = [stack.after_norm] if stack.normalize_before else []
    made = StockScorer(before, position, layers, after, output)
    made.training = scorer.training  # its parts keep theirs
    return made
