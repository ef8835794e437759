"""Linear layers that oneDNN multiplies, over weights that lie as its product reads them.

A step multiplies few rows (the hypotheses) by large matrices, and PyTorch's product
rearranges the matrix at every call. oneDNN's takes one that was rearranged before.
"""

from functools import cache
from typing import TypeGuard

import torch

from espnet_mtla import onednn
from espnet_mtla.search.tree import replaced

ROWS = 64
"""Rows that weights are packed for; from 2 to 500 all were as fast, on a Zen 4."""


class PackedLinear(torch.nn.Linear):
    """A linear layer over the same parameters, with a packed copy of its weight.

    The copy is not seen by gradients or by what changes the weight later. It serves
    products of several rows (one is a faster product) on a CPU, where neither
    gradients nor autocast are asked for; all others are PyTorch's.

    Args:
        weight: ``(out, in)``, which :func:`espnet_mtla.onednn.takes` takes.
        bias: ``(out,)`` or None.
        copies: whether there is a copy; without one oneDNN reads the weight itself, which
            is as fast for many rows.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, copies: bool = True
    ):
        torch.nn.Module.__init__(self)
        self.out_features, self.in_features = weight.shape
        # PyTorch's annotation forgets that there may be no bias
        self.weight, self.bias = weight, bias  # type: ignore[assignment]
        self.copies = copies
        with torch.no_grad():
            self.packed = onednn.reordered(weight, ROWS) if copies else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(..., in)`` to ``(..., out)``."""
        if (
            x.numel() <= self.in_features
            or not (onednn.takes(self.weight) and x.dtype == self.weight.dtype)
            or onednn.watched()
        ):
            return super().forward(x)
        weight = self.weight if self.packed is None else self.packed
        return onednn.linear(x, weight, self.bias)

    def __reduce__(self) -> tuple:
        """Pack anew when copied or pickled, which a packed copy cannot be."""
        return PackedLinear, (self.weight, self.bias, self.copies)


def pack[M: torch.nn.Module](model: M, copies: bool = True) -> M:
    """Return a model whose linear layers oneDNN multiplies, all else of which it shares.

    Layers stay that are not exactly ``torch.nn.Linear``, as quantised ones, and those that
    do more than it: with hooks, a ``forward`` of their own, or a weight that is computed.

    Args:
        model: which stays as it is.
        copies: whether weights are packed; see :class:`PackedLinear`.
    """

    @cache  # a layer in two places is packed once
    def packed(part: torch.nn.Module) -> torch.nn.Module:
        if not _plain(part) or not onednn.takes(part.weight):
            return part
        if not (copies or part.weight.is_contiguous()):
            return part
        return PackedLinear(part.weight, part.bias, copies)

    return replaced(model, packed)


def _plain(part: torch.nn.Module) -> TypeGuard[torch.nn.Linear]:
    """Whether a module multiplies by its weight, adds its bias, and does nothing else."""
    hooked = part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part)
    plain = type(part) is torch.nn.Linear and "weight" in part._parameters
    return plain and not hooked
