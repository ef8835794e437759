"""Absorbed latent attention in Triton: right where it runs, compiled for GPUs.

Triton's interpreter has to be chosen before Triton is imported, so what runs the
kernels is a process of its own.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

MODES = ["interpreted", "cuda"] if torch.cuda.is_available() else ["interpreted"]


@pytest.mark.parametrize("mode", MODES)
def test_where_it_runs(mode):
    cases = Path(__file__).with_name("kernel_cases.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", cases],
        env={**os.environ, "TRITON_INTERPRET": "1" if mode == "interpreted" else "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


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
