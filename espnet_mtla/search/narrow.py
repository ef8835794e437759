"""ESPnet's models computing in bfloat16, and keeping their weights as they are."""

import copy
from typing import Any

import torch

from espnet_mtla.errors import InputError
from espnet_mtla.onednn import multiplies_bfloat16
from espnet_mtla.search.tree import replaced

NARROW = "bfloat16"


class NarrowEncoder:
    """What :func:`narrow_encoder` adds to ESPnet's model, of whose class it is too."""

    def encode(self, *args: Any, **kwargs: Any) -> Any:
        """See the model's; in its own type, though rounded as bfloat16 is."""
        weight = next(self.parameters())  # type: ignore[attr-defined]
        with torch.autocast(weight.device.type, torch.bfloat16):
            encoded = super().encode(*args, **kwargs)  # type: ignore[misc]
        return _in(weight.dtype, encoded)


class WideFrontend:
    """A front end of ESPnet's, of whose class it is too, outside of autocast."""

    def forward(self, input: torch.Tensor, input_lengths: torch.Tensor) -> Any:
        """See the front end's."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input, input_lengths)  # type: ignore[misc]


def narrow_encoder[M: torch.nn.Module](model: M) -> M:
    """Return a model over the same parameters whose ``encode`` multiplies in bfloat16.

    That is PyTorch's autocast. Spectra, which are normalised after it, are float32.
    """
    front: Any = getattr(model, "frontend", None)
    if hasattr(front, "logmel"):
        wide = _mixed(WideFrontend, front)
        model = replaced(model, lambda part: wide if part is front else part)
    return _mixed(NarrowEncoder, model)


def _mixed[M: torch.nn.Module](mixin: type, module: M) -> M:
    """Return a module that shares all with another, of a class that has ``mixin`` too."""
    made = copy.copy(module)
    kind = type(module)
    made.__class__ = type(kind.__name__, (mixin, kind), {"__module__": __name__})
    return made


def _in(dtype: torch.dtype, encoded: Any) -> Any:
    """Return what ``encode`` returned with its numbers in a type."""
    if torch.is_tensor(encoded):
        return encoded.to(dtype) if encoded.is_floating_point() else encoded
    if isinstance(encoded, tuple | list):
        return type(encoded)(_in(dtype, part) for part in encoded)
    return encoded


def check_narrow(device: str) -> None:
    """Refuse bfloat16 where it is slower than float32.

    Raises:
        InputError: a device does not multiply it.
    """
    if device == "cpu" and not multiplies_bfloat16():
        lacks = "this CPU multiplies it slowly (it has neither AVX512-BF16 nor AMX)"
    elif device != "cpu" and not torch.cuda.is_bf16_supported(False):
        lacks = "this GPU multiplies it slowly (it is older than Ampere)"
    else:
        return
    raise InputError(f"dtype {NARROW}: {lacks}; give float32")
