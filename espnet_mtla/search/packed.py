"""Linear layers whose weights lie as the CPU's matrix product reads them.

A step multiplies few rows (the hypotheses) by large matrices, and PyTorch's product
rearranges the matrix at every call. oneDNN's takes one that was rearranged before. Its
operators are those that ``torch.compile`` calls too; they are not public.
"""

from functools import cache

import torch

from espnet_mtla.search.tree import replaced

AVAILABLE = torch.backends.mkldnn.is_available() and all(
    hasattr(torch.ops.mkldnn, name)
    for name in ("_reorder_linear_weight", "_linear_pointwise")
)
ROWS = 64
"""Rows that weights are packed for; from 2 to 500 all were as fast, on a Zen 4."""


class PackedLinear(torch.nn.Linear):
    """A linear layer over the same parameters, with a packed copy of its weight.

    The copy is not seen by gradients or by what changes the weight later. It serves
    products of several rows (one is a faster product) on a CPU, where neither
    gradients nor autocast are asked for; all others are PyTorch's.

    Args:
        weight: ``(out, in)``, which :func:`takes` takes.
        bias: ``(out,)`` or None.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None):
        torch.nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        # PyTorch's annotation forgets that there may be no bias
        self.weight, self.bias = weight, bias  # type: ignore[assignment]
        with torch.no_grad():
            self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(..., in)`` to ``(..., out)``."""
        if (
            x.numel() <= self.in_features
            or not (takes(self.weight) and x.dtype == self.weight.dtype)
            or torch.is_grad_enabled()
            or torch.is_autocast_enabled("cpu")
        ):
            return super().forward(x)
        return torch.ops.mkldnn._linear_pointwise(
            x, self.packed, self.bias, "none", [], ""
        )

    def __reduce__(self) -> tuple:
        """Pack anew when copied or pickled, which a packed copy cannot be."""
        return PackedLinear, (self.weight, self.bias)


def takes(tensor: torch.Tensor) -> bool:
    """Whether oneDNN multiplies it here: float32, or bfloat16 on a CPU that knows it."""
    if tensor.device.type != "cpu":
        return False
    return tensor.dtype == torch.float32 or (
        tensor.dtype == torch.bfloat16 and multiplies_bfloat16()
    )


@cache
def multiplies_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16: with AVX512-BF16, or AMX."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def pack[M: torch.nn.Module](model: M) -> M:
    """Return a model with packed linear layers, all else of which it shares.

    Layers that are not exactly ``torch.nn.Linear``, as quantised ones, stay.
    """

    @cache  # a layer in two places is packed once
    def packed(part: torch.nn.Module) -> torch.nn.Module:
        if type(part) is torch.nn.Linear and takes(part.weight):
            return PackedLinear(part.weight, part.bias)
        return part

    return replaced(model, packed) if AVAILABLE else model
