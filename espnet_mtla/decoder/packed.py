"""Linear layers whose weights lie as the CPU's matrix product reads them.

A step multiplies few rows (the hypotheses) by large matrices, and PyTorch's product
rearranges the matrix at every call. oneDNN's takes one that was rearranged before
(:mod:`espnet_mtla.onednn`); where it is missing the layers stay what they were.
"""

import torch

from espnet_mtla import onednn


class PackedLinear(torch.nn.Linear):
    """A linear layer with a packed copy of its weight while a search needs it.

    A layer is one from :func:`pack_anew`, at the beginning of a search, to
    :func:`unpack`, at the next teacher-forced pass; a model that was not yet searched
    with has plain ones, as what quantises or replaces layers expects. The copy is made
    by the first product of several rows without gradients, in float32 on a CPU.
    """

    packed: torch.Tensor | None = None
    stale = False  # packed before the search that runs now

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(..., in_features)`` to ``(..., out_features)``."""
        if not self._worth_it(x):
            return super().forward(x)
        packed = self.packed  # another search may forget it meanwhile
        if packed is None or self.stale:
            n_rows = x.numel() // self.in_features
            packed = onednn.pack(self.weight, n_rows)
            # The old copy's memory serves the next layer: new memory costs more than
            # the packing.
            self.packed, self.stale = packed, False
        return onednn.linear(x, packed, self.bias)

    def _worth_it(self, x: torch.Tensor) -> bool:
        # one row is a faster product
        return x.numel() > self.in_features and onednn.takes(x, self.weight)

    def _apply(self, *args, **kwargs):
        self.packed = None  # moved, or of another type
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, *args, **kwargs):
        self.packed = None
        return super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict:
        """Leave out the packed copy, which can be neither copied nor pickled."""
        return {k: v for k, v in self.__dict__.items() if k not in ("packed", "stale")}


def pack_anew(module: torch.nn.Module) -> None:
    """Have the linear layers make packed copies of their weights as they are now."""
    if onednn.AVAILABLE:
        for part in _linears(module):
            part.__class__ = PackedLinear
            part.stale = True


def unpack(module: torch.nn.Module) -> None:
    """Make the layers plain again: the weights may have changed since."""
    for part in _linears(module):
        part.__class__ = torch.nn.Linear
        part.__dict__.pop("packed", None)
        part.__dict__.pop("stale", None)


def _linears(module: torch.nn.Module) -> list[torch.nn.Linear]:
    kinds = PackedLinear, torch.nn.Linear
    return [part for part in module.modules() if type(part) in kinds]
