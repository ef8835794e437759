"""What ``test_kernel.py`` runs, interpreted or on CUDA: the kernels = the literal sum."""

import os
import random
from types import SimpleNamespace

import pytest
import torch

from espnet_mtla.attention import LatentAttention, TemporalLatentAttention
from espnet_mtla.attention.cache import PromptCache, TailCache
from espnet_mtla.attention.contract import LayerCache
from espnet_mtla.attention.naive import naive_attention
from espnet_mtla.decoder.variants import decoder_class
from espnet_mtla.search.backend import CUDA, PLAIN
from espnet_mtla.search.graph import FixedStep

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"

# heads, hypotheses, r, d_r; the last two are the paper's and mini models'
SIZES = [(3, 4, 10, 2), (20, 3, 48, 12), (8, 5, 256, 32), (4, 5, 36, 18)]
TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}
if INTERPRETED:  # whose bf16 products are wrong
    del TOLERANCE[torch.bfloat16]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: f"{sizes[2]}+{sizes[3]}")
def test_equals_the_literal_sum(sizes, dtype):
    from espnet_mtla.attention.fused import attend_latent

    n_heads, beam, rank, rope = sizes
    chunks = torch.tensor([0, 1, random.randint(2, 40), random.randint(70, 100)])
    chunks = chunks[torch.randperm(4)]
    n_utt, n_hyp, width = 4, 4 * beam, rank + rope
    scale = random.uniform(0.3, 2) / width**0.5  # scores as wide as a model's
    query = (scale * torch.randn(n_hyp, n_heads, width)).to(dtype)
    keys = torch.randn(n_utt, 1, int(chunks.max()), width).to(dtype)
    tail = torch.randn(n_hyp, 1, 64, width).to(dtype)
    slot = torch.randint(0, 64, (n_hyp,))
    slot[0] = 0
    # what is not in use must not be read
    for b, n in enumerate(chunks):
        keys[b, :, n:] = float("nan")
    for i, n in enumerate(slot):
        tail[i, :, n + 1 :] = float("nan")
    part = LayerCache(keys.to(DEVICE), keys[..., :rank].to(DEVICE))
    at = SimpleNamespace(
        chunks=chunks.repeat_interleave(beam).to(DEVICE), slot=slot.to(DEVICE)
    )
    inputs = query.to(DEVICE), part, tail.to(DEVICE)
    got = attend_latent(*inputs, at, rank)
    assert got.dtype == dtype
    for i in range(n_hyp):
        b = i // beam
        mine = torch.cat((keys[b, 0, : chunks[b]], tail[i, 0, : slot[i] + 1])).double()
        want = (query[i].double() @ mine.T).softmax(-1) @ mine[:, :rank]
        torch.testing.assert_close(
            got[i].cpu().double(), want, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype]
        )


def test_no_prompt():
    """Text alone, and prompts that hold no complete chunk."""
    from espnet_mtla.attention.fused import attend_latent

    query, tail = 0.3 * torch.randn(6, 4, 54), torch.randn(6, 1, 16, 54)
    slot, none = torch.randint(0, 16, (6,)), torch.zeros(6, dtype=torch.int64)
    at = SimpleNamespace(chunks=none.to(DEVICE), slot=slot.to(DEVICE))
    empty = LayerCache(tail.new_empty(2, 1, 0, 54, device=DEVICE), None)
    for prompt in (None, empty):
        got = attend_latent(query.to(DEVICE), prompt, tail.to(DEVICE), at, 36)
        for i, n in enumerate(slot):
            mine = tail[i, 0, : n + 1]
            want = (query[i] @ mine.T).softmax(-1) @ mine[:, :36]
            torch.testing.assert_close(got[i].cpu(), want, atol=1e-5, rtol=1e-4)


# stride (0 is MLA), whether Triton attends too, options: widths of 48 and 6 are no
# powers of two. Interpreted steps take seconds, so not all with all.
STEPS = [(stride, True, {}) for stride in (0, 1, 2, 5)]
STEPS += [(0, False, {"bias": True}), (2, True, {"bias": True})]
STEPS += [(3, False, {"q_lora_rank": 10, "qk_rope_head_dim": 10})]


@pytest.mark.parametrize(("stride", "attends", "options"), STEPS, ids=str)
@torch.no_grad()
def test_steps_equal_the_naive_equations(stride, attends, options, monkeypatch):
    """The kernels in the place where a decoder calls them; a stride of 0 is MLA."""
    got, want = steps(options, stride, torch.float32, attends, monkeypatch)
    torch.testing.assert_close(got, want, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("stride", [0, 3])
@torch.no_grad()
def test_steps_in_half_precision(stride, monkeypatch):
    got, want = steps({}, stride, torch.float16, True, monkeypatch)
    assert got.dtype == torch.float16
    torch.testing.assert_close(got.float(), want, atol=2e-2, rtol=2e-2)


def steps(options, stride, dtype, attends, monkeypatch):
    """Four steps of a small attention, and the naive equations of its weights."""
    from espnet_mtla.search import kernels

    monkeypatch.setattr(kernels, "attends", lambda query, rank: attends)
    kind = LatentAttention
    if stride:
        kind, options = TemporalLatentAttention, {"temporal_stride": stride, **options}
    attention = kind(36, attention_heads=3, **options)
    # gates and norms that tell channels and chunks apart
    for p in attention.kv_norm.parameters():
        p.copy_(torch.randn(p.shape))
    for gain in attention.buffers():
        gain.fill_(random.uniform(0.5, 1))
    attention = attention.to(DEVICE, dtype).eval()
    lengths = torch.tensor([random.randint(1, 9), 7, 2]).to(DEVICE)
    prompt = torch.randn(3, int(lengths.max()), 36).to(DEVICE, dtype)
    text, beam = torch.randn(6, 4, 36).to(DEVICE, dtype), 2
    layout = attention.layout(lengths, prompt.shape[1], 0)
    part = attention.cache_prompt(prompt, layout)
    cache = PromptCache.build([part], layout, attention.stride)
    tail = TailCache.build(cache, attention, 6)
    got, fused = [], kernels.fuse(attention, 20)
    assert isinstance(fused, kernels.FusedAttention)
    for i in range(4):
        at = FixedStep(
            lengths.repeat_interleave(beam),
            lengths.new_tensor([i]),
            tail.buffers[0].shape[3],
            attention.geometry,
        )
        got.append(fused.step(text[:, i], part, cache.unused, tail.layer(0), at))
    attention, prompt, text = attention.cpu().float(), prompt.cpu(), text.cpu()
    want = []
    for i in range(6):
        n = int(lengths[i // beam])
        sequence = torch.cat((prompt[i // beam, :n], text[i])).float()
        want.append(naive_attention(attention, sequence, n))
    return torch.stack(got, 1).cpu(), torch.stack(want)


def test_what_computes_something_else_is_not_fused():
    from espnet_mtla.search.kernels import fuse

    class Other(LatentAttention):
        """One that a user derived."""

    attention = Other(36, attention_heads=3)
    assert fuse(attention, 20) is attention


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("gather", [False, True])
def test_tails_are_copied_as_far_as_they_are_used(groups, gather):
    from espnet_mtla.attention.fused import copy_rows

    source = torch.randn(2, 7, groups, 16, random.choice([6, 320]), device=DEVICE)
    target = torch.full_like(source, 9.0)
    newest = torch.randint(0, 16, (7,), device=DEVICE)
    rows = torch.randint(0, 7, (7,), device=DEVICE) if gather else None
    copy_rows(source, target, newest, rows)
    wanted = source[:, rows] if gather else source
    used = (torch.arange(16, device=DEVICE) <= newest[:, None])[None, :, None, :, None]
    assert torch.equal(target, torch.where(used, wanted, 9.0))


SEARCHES = [("mha", False), ("mqa", True), ("mla", True)]
SEARCHES += [("mtla", False), ("mtla", True), ("mtla-cross", False)]


@pytest.mark.parametrize(("variant", "detects"), SEARCHES)
@torch.no_grad()
def test_searches_find_the_same(variant, detects):
    """With the kernels, and captured on CUDA."""
    from espnet_mtla.search.fast import FastBeamSearch
    from espnet_mtla.search.view import SearchView

    kind, _, context = variant.partition("-")
    options = {"temporal_stride": random.choice([2, 3])} if kind == "mtla" else {}
    decoder = decoder_class(kind)(
        9,
        48,
        attention_heads=3,
        num_blocks=2,
        linear_units=32,
        context=context or "prompt",
        **options,
    )
    for gain in decoder.buffers():
        gain.fill_(0.7)
    decoder.eval().to(DEVICE)
    decoder.output_layer.bias[-1] += 0.5  # texts of different lengths
    lengths = torch.tensor([random.randint(20, 24), 7, 3, 18])
    x = torch.randn(4, int(lengths.max()), 48).to(DEVICE)
    length = {"maxlenratio": 0.0, "minlenratio": 0.0} if detects else {}
    found = {}
    for backend in (PLAIN, CUDA):
        scorers = {"decoder": SearchView(decoder, backend)}
        search = FastBeamSearch(scorers, {"decoder": 1.0}, 3, 9, sos=8, eos=8)
        # the second is captured from its first step on
        for _ in range(1 if INTERPRETED else 2):
            n_best = search(x, x_lengths=lengths, **(length or {"maxlenratio": -21.0}))
        found[backend] = [
            [(h.yseq.tolist(), float(h.score)) for h in n] for n in n_best
        ]
    for one, other in zip(*found.values(), strict=True):
        assert [y for y, _ in one] == [y for y, _ in other]
        assert [s for _, s in one] == pytest.approx([s for _, s in other], abs=1e-3)
