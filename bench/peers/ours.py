"""Our decoders, as users have them."""

import torch

from bench.work import Case, Variant
from espnet_mtla.decoder.prompt import PromptDecoder
from espnet_mtla.registry import DECODERS

IMPOSSIBLE = -1e4
"""Output bias of ``<eos>``: no text ends before its forced length."""


def decoder(case: Case, variant: Variant) -> PromptDecoder:
    """Return one with random weights that never ends a text."""
    options = {"temporal_stride": variant.stride} if variant.kind == "mtla" else {}
    made = DECODERS[variant.kind](
        case.vocabulary,
        case.size,
        attention_heads=case.heads,
        linear_units=case.linear_units,
        num_blocks=case.layers,
        **options,
    )
    with torch.no_grad():
        made.output_layer.bias[-1] = IMPOSSIBLE
    return made
