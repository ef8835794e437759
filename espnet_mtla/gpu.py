"""Which parts written for CUDA a search's steps run with, decided in one place.

- ``graph``: the decoder's steps have a fixed shape, and are captured as CUDA graphs
  (:mod:`.decoder.graph`);
- ``kernel``: in these, latent variants and reorders run in Triton
  (:mod:`.attention.fused`).

Under autocast, which may drop a weight's copy that a graph goes on reading, while
training, and on other devices everything is plain PyTorch.
"""

import importlib.util
import os
import shutil
from functools import cache

import torch

PARTS = frozenset({"graph", "kernel"})


@cache
def has_triton() -> bool:
    """Whether Triton, which comes with PyTorch on Linux, finds what it needs.

    That is a C compiler, looked for as Triton does.
    """
    compilers = os.environ.get("CC"), "clang", "gcc"
    found = any(shutil.which(name) for name in compilers if name)
    return found and importlib.util.find_spec("triton") is not None


@cache
def runs_kernels(device: torch.device) -> bool:
    """Whether the kernels run on a GPU: NVIDIA's, Ampere or newer."""
    if torch.version.hip or not has_triton():
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


def parts(decoder: torch.nn.Module, x: torch.Tensor) -> frozenset[str]:
    """Which parts a decoder's next step runs with.

    Args:
        decoder: whose ``gpu_parts`` may name fewer.
        x: what it decodes.
    """
    if not x.is_cuda or decoder.training or torch.is_autocast_enabled("cuda"):
        return frozenset()
    # which multiply and add up in float32
    narrow = next(decoder.parameters()).dtype != torch.float64
    if narrow and runs_kernels(x.device):
        return decoder.gpu_parts
    return decoder.gpu_parts - {"kernel"}
