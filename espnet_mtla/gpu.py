"""Which parts written for CUDA a search's steps run with, decided in one place.

- ``graph``: the decoder's steps have a fixed shape, and are captured as CUDA graphs
  (:mod:`.decoder.graph`);
- ``kernel``: in these, latent variants and reorders run in Triton
  (:mod:`.attention.fused`).

Under autocast, which may drop a weight's copy that a graph goes on reading, while
training, and on other devices everything is plain PyTorch.
"""

import importlib.util
from functools import cache

import torch

PARTS = frozenset({"graph", "kernel"})


@cache
def has_triton() -> bool:
    """Whether Triton, which comes with PyTorch on Linux, is installed."""
    return importlib.util.find_spec("triton") is not None


def parts(decoder: torch.nn.Module, x: torch.Tensor) -> frozenset[str]:
    """Which parts a decoder's next step runs with.

    Args:
        decoder: whose ``gpu_parts`` may name fewer.
        x: what it decodes.
    """
    if not x.is_cuda or decoder.training or torch.is_autocast_enabled("cuda"):
        return frozenset()
    return decoder.gpu_parts if has_triton() else decoder.gpu_parts - {"kernel"}
