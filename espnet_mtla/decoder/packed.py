"""Linear layers whose weights lie as the CPU's matrix product reads them.

A step multiplies few rows (the hypotheses) by large matrices, and PyTorch's product
rearranges the matrix at every call. oneDNN's takes one that was rearranged before, by
the operators that ``torch.compile`` calls too; they are not public, so where they are
missing the layers stay what they were.
"""

import torch


class PackedLinear(torch.nn.Linear):
    """A linear layer with a packed copy of its weight while a search needs it.

    Between :func:`pack_anew` and :func:`unpack` the copy is made by the first product
    of several rows without gradients, in float32 on a CPU.
    """

    packs: bool = False
    packed: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(..., in_features)`` to ``(..., out_features)``."""
        if not (self.packs and self._worth_it(x)):
            return super().forward(x)
        n_rows = x.numel() // self.in_features
        if self.packed is None:
            self.packed = torch.ops.mkldnn._reorder_linear_weight(self.weight, n_rows)
        return torch.ops.mkldnn._linear_pointwise(
            x, self.packed, self.bias, "none", [], ""
        )

    def _worth_it(self, x: torch.Tensor) -> bool:
        return (
            x.device.type == self.weight.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and x.numel() > self.in_features  # one row is a faster product
            and not torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cpu")
        )

    def __getstate__(self) -> dict:
        """Leave out the packed copy, which can be neither copied nor pickled."""
        return {k: v for k, v in self.__dict__.items() if k not in ("packs", "packed")}


AVAILABLE = torch.backends.mkldnn.is_available() and all(
    hasattr(torch.ops.mkldnn, name)
    for name in ("_reorder_linear_weight", "_linear_pointwise")
)


def use_packed(module: torch.nn.Module) -> None:
    """Make every linear layer in a module a :class:`PackedLinear`."""
    for part in module.modules():
        if type(part) is torch.nn.Linear:
            part.__class__ = PackedLinear


def pack_anew(module: torch.nn.Module) -> None:
    """Have the layers make packed copies of their weights as they are now."""
    _set(module, AVAILABLE)


def unpack(module: torch.nn.Module) -> None:
    """Forget the packed copies: the weights may have changed since."""
    _set(module, False)


def _set(module: torch.nn.Module, packs: bool) -> None:
    for part in module.modules():
        if isinstance(part, PackedLinear):
            part.packs, part.packed = packs, None
