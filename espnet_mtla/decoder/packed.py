"""Linear layers whose weights lie as the CPU's matrix product reads them.

A step multiplies few rows (the hypotheses) by large matrices, and PyTorch's product
rearranges the matrix at every call. oneDNN's takes one that was rearranged before
(:mod:`espnet_mtla.onednn`); where it is missing the layers stay what they were.
"""

import torch

from espnet_mtla import onednn


class PackedLinear(torch.nn.Linear):
    """A linear layer with a packed copy of its weight for searches.

    A layer is one from :func:`pack`, at the beginning of a search, to :func:`unpack`,
    at the next teacher-forced pass; a model that was not yet searched with has plain
    ones, as what quantises or replaces layers expects. The copy is made by the first
    product of several rows without gradients, in float32 on a CPU, and serves later
    searches until the weight is another.
    """

    packed: torch.Tensor | None = None
    probed: torch.Tensor | None = None  # what the packed weight made of the probe

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(..., in_features)`` to ``(..., out_features)``."""
        if not self._worth_it(x):
            return super().forward(x)
        packed = self.packed  # another search may forget it meanwhile
        if packed is None:
            packed = onednn.pack(self.weight, x.numel() // self.in_features)
            self.probed, self.packed = self._probe(), packed
        return onednn.linear(x, packed, self.bias)

    def _worth_it(self, x: torch.Tensor) -> bool:
        # one row is a faster product
        return x.numel() > self.in_features and onednn.takes(x, self.weight)

    def _probe(self) -> torch.Tensor:
        """Multiply a fixed row, which takes a fraction of the time of packing.

        Version counters would cost nothing, but do not see writes to ``.data``. The
        row's numbers lie between 1 and 3, so that no column goes unseen.
        """
        channel = torch.arange(self.in_features, device="cpu", dtype=torch.float32)
        return onednn.linear(channel.sin().add_(2).unsqueeze(0), self.weight)

    def forget_another(self) -> None:
        """Forget the copy of what the weight is no more."""
        if self.packed is not None and not (
            onednn.takes(self.weight) and torch.equal(self._probe(), self.probed)
        ):
            self.packed = None

    def _apply(self, *args, **kwargs):
        self.packed = None  # moved, or of another type
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, *args, **kwargs):
        self.packed = None
        return super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict:
        """Leave out the packed copy, which can be neither copied nor pickled."""
        return {k: v for k, v in self.__dict__.items() if k not in ("packed", "probed")}


@torch.no_grad()
def pack(module: torch.nn.Module) -> None:
    """Have the linear layers keep packed copies of their weights as they are now."""
    if onednn.AVAILABLE:
        for part in _linears(module):
            part.__class__ = PackedLinear
            part.forget_another()


def unpack(module: torch.nn.Module) -> None:
    """Make the layers plain again: the weights may have changed since."""
    for part in _linears(module):
        part.__class__ = torch.nn.Linear
        part.__dict__.pop("packed", None)
        part.__dict__.pop("probed", None)


def _linears(module: torch.nn.Module) -> list[torch.nn.Linear]:
    kinds = PackedLinear, torch.nn.Linear
    return [part for part in module.modules() if type(part) in kinds]
