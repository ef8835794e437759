"""oneDNN's matrix products, where a search on a CPU is faster with them.

They are the operators that ``torch.compile`` calls too; they are not public, so where
they are missing (:data:`AVAILABLE`) everything is PyTorch's own product.
"""

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
    """Multiply few large matrices, ``(B, ..., m, k)`` by ``(B, ..., k, n)``: ``a @ b``."""
    (m, k), n = a.shape[-2:], b.shape[-1]
    if m * k * n < WORTH_IT or not takes(a, b):
        return a @ b
    out = a.new_empty(*a.shape[:-1], n)
    parts = (t.flatten(0, -3) for t in (out, a, b))
    for one, x, y in zip(*parts, strict=True):
        dense = y if y.is_contiguous() or y.mT.is_contiguous() else y.contiguous()
        one.copy_(linear(x, dense.mT))
    return out
