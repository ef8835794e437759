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
    from espnet_mtla.attention.fused import COLUMNS, plan

    for _ in range(100):
        n_utt, beam, n_heads = (random.randint(1, m) for m in (40, 60, 20))
        size = random.randint(0, 4000)
        p = plan(n_utt, beam * n_heads, n_heads, size, 132)
        assert p.pieces * p.piece >= size > (p.pieces - 1) * p.piece or not p.pieces
        assert p.piece % COLUMNS == 0
        programs = n_utt * -(-beam * n_heads // p.rows) * p.pieces
        assert programs <= 132 or p.pieces <= 1
    assert plan(1, 8, 8, 4000, 132).pieces > 60  # one hypothesis of a long prompt
    assert plan(40, 400, 8, 4000, 132).pieces == 1  # a beam of 50


TYPES = {
    **dict.fromkeys(
        ("totals", "tops", "norms", "phase", "directions", "offsets"), "*fp32"
    ),
    **dict.fromkeys(("cached", "slots", "chunk", "rows", "newest"), "*i64"),
    **dict.fromkeys(("n_rows", "share", "size", "piece", "n_heads"), "i32"),
    **dict.fromkeys(("capacity", "groups"), "i32"),
    **dict.fromkeys(("eps", "scale"), "fp32"),
    "opens": "*i1",
}
"""Of the kernels' arguments, but for those of the model's type."""


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

    from espnet_mtla.attention import fused, kernel, write_kernel

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    widths = {"R": rank, "W": rank + rope}
    tiles = {"RP": fused.padded(rank), "DP": fused.padded(rope), **widths}
    heads = {"HEADS": 8, "ROWS": 8, "NOPE": 64, "GATED": True}
    kernels = {
        kernel.prompt_kernel: {"ROWS": fused.ROWS, "COLUMNS": fused.COLUMNS, **tiles},
        kernel.tail_kernel: {"ROWS": 16, "COLUMNS": fused.TAIL_COLUMNS, **tiles},
        write_kernel.write_kernel: {"RP": 256, "PAIRS": 16, **heads, **widths},
        write_kernel.copy_kernel: {"WIDTH": 288, "GATHER": True, "BLOCK": 1024},
    }
    attend = (kernel.prompt_kernel, kernel.tail_kernel)
    for function, constants in kernels.items():
        if name == "fp32" and function in attend:
            continue  # see fused.attends
        options = fused.OPTIONS if function in attend else {"num_warps": 2}
        signature = {
            p.name: "constexpr" if p.is_constexpr else TYPES.get(p.name, f"*{name}")
            for p in function.params
        }
        aligned = {
            (i,): [["tt.divisibility", 16]]
            for i, kind in enumerate(signature.values())
            if kind[0] == "*"
        }
        built = triton.compile(
            triton.compiler.ASTSource(function, signature, constants, aligned),
            GPUTarget("cuda", capability, 32),
            options,
        )
        assert built.metadata.shared <= kibibytes * 1024
