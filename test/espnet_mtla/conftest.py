"""Every attention variant in both contexts, and ragged batches to try it on."""

import random

import pytest
import torch

from espnet_mtla import onednn
from espnet_mtla.decoder.variants import decoder_class
from espnet_mtla.variant import VARIANTS

CASES = {
    **{name: {} for name in VARIANTS},
    "mla-q": {"q_lora_rank": 7, "kv_lora_rank": 10, "v_head_dim": 5},
    **{f"mtla-{s}": {"temporal_stride": s} for s in range(1, 9)},
    "mtla-q": {"temporal_stride": 3, "q_lora_rank": 6, "qk_nope_head_dim": 3},
}


@pytest.fixture(autouse=True)
def some_products_are_onednns(monkeypatch, seed):
    """Those of tests are small: in half the files all count as large."""
    monkeypatch.setattr(onednn, "ENOUGH", random.choice([1, onednn.ENOUGH]))


@pytest.fixture(params=["prompt", "cross"])
def context(request):
    """How a decoder sees the encoder output; a file may override it."""
    return request.param


@pytest.fixture(params=CASES)
def make_decoder(request, context):
    """Builds a small decoder of each variant in turn, in evaluation mode."""
    kind, options = decoder_class(request.param.split("-")[0]), CASES[request.param]

    def make(vocab_size=11, size=24, num_blocks=2, **more):
        decoder = kind(
            vocab_size,
            size,
            context=context,
            attention_heads=4 if size % 8 == 0 else 1,
            linear_units=19,
            num_blocks=num_blocks,
            **options,
            **more,
        )
        for p in decoder.parameters():  # biases and norms must matter too
            p.data.add_(0.1 * torch.randn_like(p))
        for gain in decoder.buffers():  # so must gates
            gain.fill_(random.uniform(0.5, 1.5))
        return decoder.eval()

    return make


@pytest.fixture
def ragged():
    """Draws prompts ``(B, T, size)``, their lengths, tokens ``(B, L)``."""

    def draw(size=24, n_utt=4, vocab=11, most=13, n_tokens=None):
        lengths = torch.randint(1, most + 1, (n_utt,))
        n_tokens = n_tokens or random.randint(1, 12)
        prompt = torch.randn(n_utt, int(lengths.max()), size)
        return prompt, lengths, torch.randint(1, vocab, (n_utt, n_tokens))

    return draw
