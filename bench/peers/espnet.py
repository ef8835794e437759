"""ESPnet's stock ``TransformerDecoder``: source attention, layer outputs cached.

And its ``TransformerEncoder``, which stands in front of every decoder.
"""

from collections.abc import Callable

import torch
from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
from espnet2.asr.encoder.transformer_encoder import TransformerEncoder
from espnet2.lm.transformer_lm import TransformerLM

from bench.peers.ours import IMPOSSIBLE
from bench.work import Case


def decoder(case: Case) -> TransformerDecoder:
    """Return one with random weights that never ends a text."""
    made = TransformerDecoder(
        case.vocabulary,
        case.size,
        attention_heads=case.heads,
        linear_units=case.linear_units,
        num_blocks=case.layers,
    )
    with torch.no_grad():
        made.output_layer.bias[-1] = IMPOSSIBLE
    return made


def language_model(case: Case) -> TransformerLM:
    """Return ESPnet's Transformer language model of a case, with random weights."""
    made = TransformerLM(
        case.vocabulary,
        embed_unit=128,
        att_unit=case.size,
        head=case.heads,
        unit=case.linear_units,
        layer=case.lm_layers,
    )
    with torch.no_grad():
        made.decoder.bias[-1] = IMPOSSIBLE
    return made


def encoder(case: Case, layers: int) -> TransformerEncoder:
    """Return an encoder of fbank features with random weights."""
    return TransformerEncoder(
        N_FBANK,
        output_size=case.size,
        attention_heads=case.heads,
        linear_units=case.linear_units,
        num_blocks=layers,
    )


def fbank(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random features of a case's prompts, ``(B, frames, 80)``, and lengths."""
    n_frames = 4 * case.prompt + 3  # conv2d takes a quarter of it
    x = torch.randn(case.utterances, n_frames, N_FBANK)
    return x, torch.full((case.utterances,), n_frames)


N_FBANK = 80
"""Channels of the features."""


def cache_bytes(case: Case, dtype: torch.dtype) -> Callable[[list], int]:
    """Count what its search keeps between steps.

    That is each layer's outputs, and the copy of the encoder output that each
    hypothesis attends to (one utterance's is a view).
    """
    copies = case.n_hyp if case.utterances > 1 else 1
    source = copies * case.prompt * case.size * dtype.itemsize

    def count(states: list) -> int:
        return source + sum(t.nbytes for layers in states for t in layers)

    return count
