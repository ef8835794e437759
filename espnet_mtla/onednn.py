"""Matrix products of oneDNN on a CPU.

PyTorch's own in float32 are MKL's, which on AMD's CPUs with AVX-512 are half as fast.
oneDNN's operators here are those that ``torch.compile`` calls too; they are not public.
"""

from functools import cache

import torch

AVAILABLE = torch.backends.mkldnn.is_available() and all(
    hasattr(torch.ops.mkldnn, name)
    for name in ("_reorder_linear_weight", "_linear_pointwise")
)
ENOUGH = 2_000_000
"""Multiplications a thread from which one product after the other is faster than PyTorch's
of all at once, whose threads have a product each; with one thread and two, on a Zen 5."""


def linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """Return ``x @ weight.T + bias``.

    Args:
        x: ``(..., in)``, of a type that :func:`takes` takes.
        weight: ``(out, in)``, as it is or as :func:`reordered` returned it; one that is a
            part of wider rows takes a thousand times as long.
        bias: ``(out,)`` or None.
    """
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def reordered(weight: torch.Tensor, rows: int) -> torch.Tensor:
    """Return a copy of a weight as products with about ``rows`` rows read it."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, rows)


def multiplies(x: torch.Tensor, y: torch.Tensor) -> bool:
    """Whether :func:`product` goes through oneDNN."""
    each = x.shape[2] * y.shape[2] * y.shape[3]
    enough = y.numel() > 0 and each >= ENOUGH * torch.get_num_threads()
    return enough and x.dtype == torch.float32 and takes(x) and not watched()


def product(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return ``x @ y.mT``, by oneDNN where that is faster.

    Args:
        x: ``(B, G, R, w)``.
        y: ``(B, G, C, w)``, contiguous or transposed.
    """
    if not multiplies(x, y):
        return x @ y.mT
    pairs = zip(x.flatten(0, 1), y.flatten(0, 1))
    return torch.stack([linear(*pair) for pair in pairs]).unflatten(0, x.shape[:2])


def takes(tensor: torch.Tensor) -> bool:
    """Whether oneDNN multiplies it here: float32, or bfloat16 on a CPU that knows it."""
    if not AVAILABLE or tensor.device.type != "cpu":
        return False
    return tensor.dtype == torch.float32 or (
        tensor.dtype == torch.bfloat16 and multiplies_bfloat16()
    )


@cache
def multiplies_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16: with AVX512-BF16, or AMX."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def watched() -> bool:
    """Whether PyTorch must see products: for gradients, or to choose their type."""
    return torch.is_grad_enabled() or torch.is_autocast_enabled("cpu")
