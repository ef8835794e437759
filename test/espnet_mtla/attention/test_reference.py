"""Parity with the authors' package: their weights, their module as the oracle.

On unpadded input, where theirs is sound; see also the naive equations.
"""

import pytest
import torch
from mtla import MultiheadTemporalLatentAttention

from espnet_mtla.attention import LatentAttention, TemporalLatentAttention
from espnet_mtla.attention.cache import PromptCache, TailCache

SHAPES = [  # width, heads, ranks and head sizes, stride, bias
    (512, 8, {}, 2, False),
    (64, 4, {"kv_lora_rank": 24, "qk_rope_head_dim": 6}, 3, True),
    (40, 2, {"q_lora_rank": 12, "kv_lora_rank": 16, "v_head_dim": 7}, 4, False),
    (36, 3, {"q_lora_rank": 8, "kv_lora_rank": 40, "qk_nope_head_dim": 6}, 5, True),
]


@pytest.fixture(params=SHAPES, ids=lambda shape: f"{shape[0]}-s{shape[3]}")
def theirs(request):
    width, heads, options, stride, bias = request.param
    module = MultiheadTemporalLatentAttention(
        width, heads, bias=bias, down_rate=stride, **options
    )
    for p in module.parameters():
        p.data.add_(0.05 * torch.randn_like(p))
    return module.eval()


@pytest.mark.parametrize("n_prompt", [1, 5, 8, 12, 17])
def test_teacher_forced(theirs, n_prompt):
    ours = TemporalLatentAttention.from_reference(theirs)
    packed = torch.randn(2, n_prompt + 9, theirs.wo.out_features)
    position = torch.arange(packed.shape[1]).float().expand(2, -1)
    text = packed[:, n_prompt:]
    want = theirs(text, packed, packed, position=position)
    layout = ours.layout(torch.tensor([n_prompt] * 2), n_prompt, 9)
    got = ours(text, packed[:, :n_prompt], layout)
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("n_prompt", [1, 6, 11])
@torch.no_grad()
def test_incremental(theirs, n_prompt):
    ours = TemporalLatentAttention.from_reference(theirs)
    packed = torch.randn(2, n_prompt + 9, theirs.wo.out_features)
    position = torch.arange(packed.shape[1]).float().expand(2, -1)
    lengths = torch.tensor([n_prompt] * 2)
    layout = ours.layout(lengths, n_prompt, 0)
    part = ours.cache_prompt(packed[:, :n_prompt], layout)
    prompt = PromptCache.build([part], layout, ours.stride)
    tail = TailCache.build(prompt, ours, 2)
    state = {}
    for i in range(9):
        # their first step takes the prompt and the first token together
        at = n_prompt + i
        keys = packed[:, : at + 1] if i == 0 else packed[:, at : at + 1]
        where = position[:, : at + 1] if i == 0 else position[:, at : at + 1]
        want = theirs(
            packed[:, at : at + 1],
            keys,
            keys,
            position=where,
            incremental_state=state,
        )
        step = tail.place(lengths)
        got = ours.step(packed[:, at], part, prompt.unused, tail.layer(0), step)
        torch.testing.assert_close(got, want[:, 0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.49])
def test_older_weights_stay_what_they_were(tmp_path, scale):
    """Those of version 0.1.0 have no scale of scores, those of 0.2.0 have one."""
    old = TemporalLatentAttention(40, attention_heads=2, temporal_stride=3)
    assert 0 < old.gate_gain < 0.1
    state = old.state_dict()
    del state["gate_gain"]
    if scale != 1:
        state["gate_scale"] = torch.tensor(scale)
    torch.save(state, tmp_path / "old.pth")
    new = TemporalLatentAttention(40, attention_heads=2, temporal_stride=3)
    new.load_state_dict(torch.load(tmp_path / "old.pth"))
    assert new.gate_gain**2 == pytest.approx(scale)
    text, prompt = torch.randn(2, 5, 40), torch.randn(2, 7, 40)
    layout = new.layout(torch.tensor([7, 4]), 7, 5)
    assert not torch.allclose(
        new(text, prompt, layout), old(text, prompt, layout), atol=1e-3
    )
    old.gate_gain.fill_(scale**0.5)
    assert torch.equal(new(text, prompt, layout), old(text, prompt, layout))


def test_weights_of_something_else_leave_the_gain():
    """As ESPnet loads an encoder into a whole model, with ``strict=False``."""
    module = TemporalLatentAttention(40, attention_heads=2)
    gain = module.gate_gain.clone()
    assert gain < 0.1
    for state in ({}, {"linear_q.weight": module.linear_q.weight.detach()}):
        module.load_state_dict(state, strict=False)
        assert module.gate_gain == gain


def test_the_hyper_network_can_take_in_the_gain():
    """So a scaled gate is the paper's, with other weights."""
    ours = TemporalLatentAttention(40, attention_heads=2, temporal_stride=2)
    for p in ours.parameters():
        p.data.add_(torch.randn_like(p))
    latent, embedding = torch.randn(3, 5, ours.rank), torch.randn(5, ours.rank)
    want = ours._weigh(latent, embedding)
    for p in [*ours.linear_c.parameters(), *ours.linear_p.parameters()]:
        p.data.mul_(ours.gate_gain)
    ours.gate_gain.fill_(1.0)
    torch.testing.assert_close(ours._weigh(latent, embedding), want)


def test_without_merging_it_starts_as_mla():
    """Gates start at 0.5, and latents twice as large."""
    mla = LatentAttention(40, attention_heads=2)
    ours = TemporalLatentAttention(40, attention_heads=2, temporal_stride=1)
    state = mla.state_dict()
    del state["kv_norm.weight"]  # each its own start
    ours.load_state_dict(state, strict=False)
    text, prompt = torch.randn(2, 5, 40), torch.randn(2, 7, 40)
    layout = ours.layout(torch.tensor([7, 4]), 7, 5)
    want = mla(text, prompt, layout)
    torch.testing.assert_close(ours(text, prompt, layout), want, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("halved", [False, True], ids=["autocast", "half"])
def test_gates_in_half_precision(halved):
    """At the paper's width, with gates that have moved: float16 ends at 65504."""
    ours = TemporalLatentAttention(512, attention_heads=8)
    latent, embedding = torch.randn(40, 256), torch.randn(40, 256)
    with torch.no_grad():
        scores = ours.linear_c(embedding) * ours.linear_p(latent)
        for layer in (ours.linear_c, ours.linear_p):  # scores of deviation 2
            for p in layer.parameters():
                p.mul_((2 / scores.sum(-1).std()).sqrt() / ours.gate_gain)
        want = ours._weigh(latent, embedding)
        if halved:
            got = ours.half()._weigh(latent.half(), embedding)
        else:
            with torch.autocast("cpu", torch.float16):
                got = ours._weigh(latent, embedding)
    torch.testing.assert_close(got.float(), want, atol=0.03, rtol=0.03)
