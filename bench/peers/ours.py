"""Our decoders, as users have them."""

import torch

from bench.work import Case
from espnet_mtla.decoder.prompt import PromptDecoder
from espnet_mtla.decoder.variants import decoder_class
from espnet_mtla.variant import parse

IMPOSSIBLE = -1e4
"""Output bias of ``<eos>``: no text ends before its forced length."""


def decoder(case: Case, variant: str) -> PromptDecoder:
    """Return one with random weights that never ends a text.

    Raises:
        InputError: an unknown variant.
    """
    found, options = parse(variant)
    made = decoder_class(found.name)(
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
