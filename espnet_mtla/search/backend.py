"""What a search view runs with besides plain PyTorch, decided in one place."""

import importlib.util
import os
import shutil
from dataclasses import dataclass

import torch

from espnet_mtla import onednn


@dataclass(frozen=True)
class Backend:
    """What the search view of a decoder runs with.

    Attributes:
        packs: weights of linear layers are packed for oneDNN's product
            (:mod:`.packed`); it is of use on a CPU.
        graphs: steps have a fixed shape, and are captured as CUDA graphs
            (:mod:`.graph`).
        kernels: they have a fixed shape, and in them latent variants and reorders run
            in Triton (:mod:`.kernels`).
    """

    packs: bool = False
    graphs: bool = False
    kernels: bool = False

    @property
    def fixes(self) -> bool:
        """Whether steps have a fixed shape."""
        return self.graphs or self.kernels


PLAIN = Backend()
"""PyTorch alone, on any device."""
ONEDNN = Backend(packs=True)
CUDA = Backend(graphs=True, kernels=True)


def choose(model: torch.nn.Module) -> Backend:
    """Return the fastest backend for a model where it is and as it is.

    What the machine has and ``CC`` are looked at in each call.
    """
    weight = next(model.parameters())
    if weight.device.type == "cuda":
        # kernels multiply and add up in float32
        narrow = weight.dtype != torch.float64
        return Backend(graphs=True, kernels=narrow and runs_kernels(weight.device))
    return ONEDNN if onednn.takes(weight) else PLAIN


def runs_kernels(device: torch.device) -> bool:
    """Whether the kernels run on a GPU: NVIDIA's, Ampere or newer."""
    if torch.version.hip or not has_triton():
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


def has_triton() -> bool:
    """Whether Triton, which comes with PyTorch on Linux, finds what it needs.

    That is a C compiler, looked for as Triton does.
    """
    compilers = os.environ.get("CC"), "clang", "gcc"
    found = any(shutil.which(name) for name in compilers if name)
    return found and importlib.util.find_spec("triton") is not None
