"""Source attention: naive = fast, every partial chunk, nothing of the padding."""

import pytest
import torch

from espnet_mtla.attention import (
    GroupedSource,
    LatentSource,
    TemporalLatentSource,
)
from espnet_mtla.attention.naive import naive_source_attention


@pytest.fixture
def context():
    return "cross"


def attend(module, text, source, lengths):
    layout = module.layout(lengths, source.shape[1])
    return module(text, module.cache_source(source, layout), layout.unused)


def test_equals_the_naive_equations_in_values_and_gradients(
    make_decoder, ragged, assert_equal_gradients
):
    source, lengths, tokens = ragged(n_utt=3)
    module = make_decoder().layers[0].src_attn.double()
    source = source.double().requires_grad_()
    text = torch.randn(3, tokens.shape[1], 24).double().requires_grad_()
    inputs = [source, text, *module.parameters()]

    fast = attend(module, text, source, lengths)
    naive = torch.stack(
        [
            naive_source_attention(module, text[b], source[b, :n])
            for b, n in enumerate(lengths.tolist())
        ]
    )
    torch.testing.assert_close(fast, naive, atol=2e-6, rtol=1e-5)
    assert_equal_gradients(fast, naive, inputs)


@pytest.mark.parametrize("stride", range(1, 9))
def test_every_partial_chunk(stride):
    """Every ``T_b mod s`` in one batch; each utterance's last frame counts."""
    module = TemporalLatentSource(
        16, attention_heads=2, kv_lora_rank=8, temporal_stride=stride
    ).double()
    lengths = torch.arange(1, 2 * stride + 3)
    source = torch.randn(len(lengths), len(lengths), 16).double().requires_grad_()
    text = torch.randn(len(lengths), 2, 16).double()
    fast = attend(module, text, source, lengths)
    for b, n in enumerate(lengths.tolist()):
        naive = naive_source_attention(module, text[b], source[b, :n])
        torch.testing.assert_close(fast[b], naive, atol=2e-6, rtol=1e-5)
    (grad,) = torch.autograd.grad(fast.square().sum(), source)
    moved = grad.abs().amax(-1) > 0
    assert torch.equal(moved, torch.arange(len(lengths)) < lengths[:, None])


def test_a_frame_caches_what_its_form_says():
    source, lengths = torch.randn(2, 24, 32), torch.tensor([24, 24])
    sizes = {"attention_heads": 4, "kv_lora_rank": 10}
    for module, elements in (
        (GroupedSource(32, attention_heads=4), 2 * 32),
        (GroupedSource(32, attention_heads=4, num_kv_heads=2), 2 * 16),
        (LatentSource(32, **sizes), 10),
        (TemporalLatentSource(32, **sizes, temporal_stride=4), 10 / 4),
    ):
        part = module.cache_source(source, module.layout(lengths, 24))
        assert module.cache_elements == elements
        assert sum(t.numel() for t in part.tensors()) == 2 * 24 * elements
