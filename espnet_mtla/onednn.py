"""oneDNN's matrix products, where a search on a CPU is faster with them.

Weights go through the operators that ``torch.compile`` calls too; they are not public,
so where they are missing (:data:`AVAILABLE`) the product is PyTorch's own.
"""

from contextlib import contextmanager
from functools import cache

import torch

AVAILABLE = torch.backends.mkldnn.is_available() and all(
    hasattr(torch.ops.mkldnn, name)
    for name in ("_reorder_linear_weight", "_linear_pointwise")
)

WORTH_IT = 2**22
"""Multiplications of a product that make up for the call; found by trial on a Zen 5."""


def takes(*tensors: torch.Tensor) -> bool:
    """Whether these can be multiplied: float32 on a CPU, and no gradients asked for."""
    return (
        AVAILABLE
        and all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def pack(weight: torch.Tensor, n_rows: int) -> torch.Tensor:
    """Copy a weight ``(out, in)`` as :func:`linear` reads it for ``n_rows`` rows."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, n_rows)


def linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """``(..., in)`` to ``(..., out)`` by a weight ``(out, in)`` or :func:`pack`'s.

    A weight that is not packed is contiguous, or the transpose of what is: with other
    strides the product falls back to a reference far slower than PyTorch's.
    """
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Multiply matrices, ``(B, ..., m, k)`` by ``(B, ..., k, n)``: ``a @ b``."""
    (m, k), n = a.shape[-2:], b.shape[-1]
    if a.numel() * n < WORTH_IT or not (takes(a, b) and exact()):
        return a @ b
    with _preferred():
        if m * k * n < WORTH_IT:
            return a @ b
        # large ones one by one: a batch with transposed matrices is rearranged
        out = a.new_empty(*a.shape[:-1], n)
        parts = (t.flatten(0, -3) for t in (out, a, b))
        for one, x, y in zip(*parts, strict=True):
            torch.mm(x, y, out=one)
        return out


@contextmanager
def _preferred():
    """Have PyTorch call oneDNN for its float32 products, in all threads.

    It does so where products may be made of bfloat16 numbers. Those are made on CPUs
    with AMX; on others that choose float32 all the same, it is their faster library.
    """
    matmul = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before


@cache
def exact() -> bool:
    """Whether oneDNN's products under that setting have float32's precision here."""
    wave = torch.arange(2**16, dtype=torch.float32).mul_(1.7).sin_()
    a, b = wave.view(128, 512), wave.view(512, 128)
    with torch.no_grad(), torch.autocast("cpu", enabled=False), _preferred():
        got = a @ b
    # 512 products of numbers up to 1: bfloat16 errs by some hundredths
    return bool((got - a.double() @ b.double()).abs().max() < 1e-3)
