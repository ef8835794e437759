"""Absorbed latent attention in Triton = the literal sum, on CUDA or interpreted.

Without CUDA the tests run in Triton's interpreter, which has to be chosen before
Triton is imported: in a process of their own. That the kernels compile for a GPU,
and fit it, needs no GPU.
"""

import os
import random
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from espnet_mtla import gpu
from espnet_mtla.attention import LatentAttention, TemporalLatentAttention
from espnet_mtla.attention.cache import PromptCache, TailCache
from espnet_mtla.attention.contract import PromptPart
from espnet_mtla.attention.layout import Step
from espnet_mtla.attention.naive import naive_attention

pytest.importorskip("triton")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
runs = pytest.mark.skipif(
    not (INTERPRETED or torch.cuda.is_available()), reason="runs interpreted instead"
)
compiles = pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")


@compiles
def test_in_triton_s_interpreter():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# heads, hypotheses, r, d_r; the last two are the paper's and mini models'
SIZES = [(3, 4, 10, 2), (20, 3, 48, 12), (8, 5, 256, 32), (4, 5, 36, 18)]
TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}


@runs
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: f"{sizes[2]}+{sizes[3]}")
def test_equals_the_literal_sum(sizes, dtype):
    if INTERPRETED and dtype == torch.bfloat16:
        pytest.skip("the interpreter's bf16 products are wrong")
    from espnet_mtla.attention.fused import attend_latent

    n_heads, beam, rank, rope = sizes
    chunks = torch.tensor([0, 1, random.randint(2, 40), random.randint(70, 100)])
    chunks = chunks[torch.randperm(4)]
    n_utt, n_hyp, width = 4, 4 * beam, rank + rope
    scale = random.uniform(0.05, 0.5)
    query = torch.randn(n_hyp, n_heads, width).to(dtype)
    keys = torch.randn(n_utt, 1, int(chunks.max()), width).to(dtype)
    tail = torch.randn(n_hyp, 1, 64, width).to(dtype)
    slot = torch.randint(0, 64, (n_hyp,))
    slot[0] = 0
    # what is not in use must not be read
    for b, n in enumerate(chunks):
        keys[b, :, n:] = float("nan")
    for i, n in enumerate(slot):
        tail[i, :, n + 1 :] = float("nan")
    part = PromptPart(keys.to(DEVICE), keys[..., :rank].to(DEVICE))
    at = SimpleNamespace(
        chunks=chunks.repeat_interleave(beam).to(DEVICE), slot=slot.to(DEVICE)
    )
    inputs = query.to(DEVICE), part, tail.to(DEVICE)
    got = attend_latent(*inputs, at, scale, rank)
    assert got.dtype == dtype
    for i in range(n_hyp):
        b = i // beam
        mine = torch.cat((keys[b, 0, : chunks[b]], tail[i, 0, : slot[i] + 1])).double()
        want = (query[i].double() @ mine.T * scale).softmax(-1) @ mine[:, :rank]
        torch.testing.assert_close(
            got[i].cpu().double(), want, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype]
        )


@runs
def test_no_prompt():
    """Text alone, and prompts that hold no complete chunk."""
    from espnet_mtla.attention.fused import attend_latent

    query, tail = torch.randn(6, 4, 54), torch.randn(6, 1, 16, 54)
    slot, none = torch.randint(0, 16, (6,)), torch.zeros(6, dtype=torch.int64)
    at = SimpleNamespace(chunks=none.to(DEVICE), slot=slot.to(DEVICE))
    empty = PromptPart(tail.new_empty(2, 1, 0, 54, device=DEVICE), None)
    for prompt in (None, empty):
        got = attend_latent(query.to(DEVICE), prompt, tail.to(DEVICE), at, 0.3, 36)
        for i, n in enumerate(slot):
            mine = tail[i, 0, : n + 1]
            want = (query[i] @ mine.T * 0.3).softmax(-1) @ mine[:, :36]
            torch.testing.assert_close(got[i].cpu(), want, atol=1e-5, rtol=1e-4)


@runs
@pytest.mark.parametrize("stride", [0, 2, 3])
@torch.no_grad()
def test_steps_equal_the_naive_equations(stride, monkeypatch):
    """The kernels in the place where a decoder calls them; a stride of 0 is MLA."""
    from espnet_mtla.attention.fused import attend_latent

    used = []

    def kernel(*args):
        used.append(args)
        return attend_latent(*args)

    monkeypatch.setattr(gpu, "latent_kernel", lambda x: kernel)
    kind, options = LatentAttention, {}
    if stride:
        kind, options = TemporalLatentAttention, {"temporal_stride": stride}
    attention = kind(24, attention_heads=2, **options).to(DEVICE).eval()
    lengths = torch.tensor([random.randint(1, 9), 7, 2]).to(DEVICE)
    prompt = torch.randn(3, int(lengths.max()), 24).to(DEVICE)
    text, beam = torch.randn(6, 4, 24).to(DEVICE), 2
    layout = attention.layout(lengths, prompt.shape[1], 0)
    part = attention.cache_prompt(prompt, layout)
    cache = PromptCache.build([part], layout, attention.stride)
    tail = TailCache.build(cache, attention, 6)
    got = []
    for i in range(4):
        at = Step(
            lengths.repeat_interleave(beam),
            i,
            attention.rope_width,
            attention.stride,
            cache.open_range,
            attention.chunk_width,
        )
        got.append(attention.step(text[:, i], part, cache.unused, tail.layer(0), at))
        tail.length += 1
    assert len(used) == 4
    attention, prompt, text = attention.cpu(), prompt.cpu(), text.cpu()
    for i in range(6):
        n = int(lengths[i // beam])
        want = naive_attention(
            attention, torch.cat((prompt[i // beam, :n], text[i])), n
        )
        mine = torch.stack([step[i] for step in got]).cpu()
        torch.testing.assert_close(mine, want, atol=1e-5, rtol=1e-4)


def test_plan_covers_the_prompt_and_fills_the_gpu():
    from espnet_mtla.attention.fused import plan

    for _ in range(100):
        n_utt, beam, n_heads = (random.randint(1, m) for m in (40, 60, 20))
        size, element = random.randint(0, 4000), random.choice([2, 4])
        p = plan(n_utt, beam * n_heads, n_heads, size, element, 132)
        assert p.pieces * p.piece >= size > (p.pieces - 1) * p.piece or not p.pieces
        assert p.piece % p.columns == 0
        programs = n_utt * -(-beam * n_heads // p.rows) * p.pieces
        assert programs <= 2 * 132 or p.pieces <= 1
    assert plan(1, 8, 8, 4000, 2, 132).pieces > 100  # one hypothesis of a long prompt
    assert plan(40, 400, 8, 4000, 2, 132).pieces == 1  # a beam of 50


@compiles
@pytest.mark.parametrize(
    ("name", "capability", "kibibytes", "rank", "rope"),
    [
        ("fp16", 90, 227, 256, 32),
        ("bf16", 89, 99, 256, 32),
        ("fp32", 89, 99, 256, 32),
        ("fp16", 80, 163, 36, 18),
    ],
)
def test_compiles_for_gpus_and_fits_their_shared_memory(
    name, capability, kibibytes, rank, rope, tmp_path, monkeypatch
):
    import triton
    from triton.backends.compiler import GPUTarget

    from espnet_mtla.attention import fused, kernel

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    plan = fused.plan(8, 400, 8, 300, 4 if name == "fp32" else 2, 132)
    types = {"totals": "fp32", "tops": "fp32", "norms": "fp32"}
    types |= {"cached": "i64", "slots": "i64"}
    for function, rows in ((kernel.prompt_kernel, plan.rows), (kernel.tail_kernel, 16)):
        constants = {"R": rank, "W": rank + rope, "ROWS": rows, "PRECISION": "ieee"}
        constants |= {"COLUMNS": plan.columns}
        constants |= {"RP": fused.padded(rank), "DP": fused.padded(rope)}
        signature = {}
        for argument in function.params:
            if argument.is_constexpr:
                signature[argument.name] = "constexpr"
            elif argument.do_not_specialize:
                signature[argument.name] = "i32"
            elif argument.name == "scale":
                signature[argument.name] = "fp32"
            else:
                signature[argument.name] = "*" + types.get(argument.name, name)
        aligned = {
            (i,): [["tt.divisibility", 16]]
            for i, kind in enumerate(signature.values())
            if kind[0] == "*"
        }
        built = triton.compile(
            triton.compiler.ASTSource(function, signature, constants, aligned),
            GPUTarget("cuda", capability, 32),
            {"num_warps": fused.warps(rows), "num_stages": fused.STAGES},
        )
        assert built.metadata.shared <= kibibytes * 1024
