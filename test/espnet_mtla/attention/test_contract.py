"""One suite that every variant passes: naive = fast, and early, clear errors."""

import random

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from espnet_mtla.attention import (
    GroupedAttention,
    LatentAttention,
    TemporalLatentAttention,
)
from espnet_mtla.attention.naive import naive_attention
from espnet_mtla.errors import InputError


@pytest.fixture
def context():
    """Attention over text alone is that over ``[prompt ; text]``: one is enough."""
    return "prompt"


@pytest.mark.parametrize("absorbs", [True, False])
def test_equals_the_naive_equations_in_values_and_gradients(
    make_decoder, ragged, absorbs, monkeypatch, assert_equal_gradients
):
    """Latent forms with up-projections absorbed and without, whatever is cheaper."""
    monkeypatch.setattr(LatentAttention, "_absorbs", lambda *_: absorbs)
    prompt, lengths, tokens = ragged(n_utt=4)
    lengths[random.randrange(4)] = 0
    behind = random.randint(0, 4)
    prompt = torch.nn.functional.pad(prompt, (0, 0, 0, behind)).double()
    frames = torch.arange(prompt.shape[1])
    prompt[frames >= lengths[:, None]] = 1e4
    attention = make_decoder().attention.double()
    prompt.requires_grad_()
    text = torch.randn(4, tokens.shape[1], 24).double().requires_grad_()
    inputs = [prompt, text, *attention.parameters()]

    layout = attention.layout(lengths, prompt.shape[1], text.shape[1])
    fast = attention(text, prompt, layout)
    naive = torch.stack(
        [
            naive_attention(attention, torch.cat((prompt[b, :n], text[b])), n)
            for b, n in enumerate(lengths.tolist())
        ]
    )
    torch.testing.assert_close(fast, naive, atol=2e-6, rtol=1e-5)
    with torch.no_grad():  # nothing is computed twice then
        assert torch.equal(attention(text, prompt, layout), fast)
    assert_equal_gradients(fast, naive, inputs)


def test_text_alone_equals_the_naive_equations(make_decoder, ragged):
    attention = make_decoder().attention.double()
    text = torch.randn(2, ragged()[2].shape[1], 24).double()
    layout = attention.layout(torch.tensor([0, 0]), 0, text.shape[1])
    fast = attention(text, text[:, :0], layout)
    naive = torch.stack([naive_attention(attention, x, 0) for x in text])
    torch.testing.assert_close(fast, naive, atol=2e-6, rtol=1e-5)


def test_never_builds_a_square_of_the_prompt(make_decoder):
    """No tensor of a training step grows with the square of the prompt."""
    attention = make_decoder().attention
    sizes = []
    for n in (64, 128):
        with Largest() as largest:
            layout = attention.layout(torch.tensor([n, n - 1]), n, 5)
            out = attention(torch.randn(2, 5, 24), torch.randn(2, n, 24), layout)
            out.sum().backward()
        sizes.append(largest.size)
    assert sizes[1] <= 2.5 * sizes[0]


class Largest(TorchDispatchMode):
    """Numbers in the largest tensor that any operation returns."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for x in tree_leaves(out):
            if isinstance(x, torch.Tensor):
                self.size = max(self.size, x.numel())
        return out


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (GroupedAttention, {"attention_heads": 5}, "attention_heads=5"),
        (
            GroupedAttention,
            {"attention_heads": 8},
            "attention_heads=8: heads of 3 channels",
        ),
        (GroupedAttention, {"attention_heads": 0}, "attention_heads=0"),
        (
            GroupedAttention,
            {"attention_heads": 6, "num_kv_heads": 4},
            "num_kv_heads=4: give a divisor of attention_heads=6",
        ),
        (LatentAttention, {"attention_heads": 5}, "divisor of the width 24"),
        (LatentAttention, {"attention_heads": 4, "kv_lora_rank": 9}, "kv_lora_rank=9"),
        (
            LatentAttention,
            {"attention_heads": 4, "qk_rope_head_dim": 3},
            "qk_rope_head_dim=3: give an even number",
        ),
        (LatentAttention, {"attention_heads": 4, "q_lora_rank": -1}, "q_lora_rank=-1"),
        (LatentAttention, {"attention_heads": 4, "v_head_dim": 0}, "v_head_dim=0"),
        (
            TemporalLatentAttention,
            {"attention_heads": 4, "temporal_stride": 0},
            "temporal_stride=0: give an integer of at least 1",
        ),
        (
            TemporalLatentAttention,
            {"attention_heads": 4, "temporal_stride": 2.5},
            "temporal_stride=2.5",
        ),
        (
            TemporalLatentAttention,
            {"attention_heads": 4, "temporal_stride": True},
            "temporal_stride=True",
        ),
    ],
)
def test_refuses_options_that_do_not_fit(kind, options, words):
    with pytest.raises(InputError, match=words):
        kind(24, **options)


def test_sizes_follow_the_paper():
    mtla = TemporalLatentAttention(512, attention_heads=8)
    assert (mtla.rank, mtla.rope_width, mtla.stride) == (256, 32, 2)
    assert mtla.cache_elements == 144
    assert LatentAttention(512, attention_heads=8).cache_elements == 288
    cached = [
        GroupedAttention(512, attention_heads=8, num_kv_heads=g).cache_elements
        for g in (8, 2, 1)
    ]
    assert cached == [1024, 256, 128]
