"""Which parts written for CUDA a search's steps run with, decided in one place.

Steps on a GPU have a fixed shape (:mod:`.decoder.graph`), so that they can be captured
as CUDA graphs, and in them MLA and MTLA run in Triton (:mod:`.attention.fused`). Under
autocast, which may drop a weight's copy that a graph goes on reading, while training,
and on other devices everything is plain PyTorch.
"""

import importlib.util
from functools import cache

import torch


@cache
def has_triton() -> bool:
    """Whether Triton, which comes with PyTorch on Linux, is installed."""
    return importlib.util.find_spec("triton") is not None


def parts(decoder: torch.nn.Module, x: torch.Tensor) -> frozenset[str]:
    """Which of ``graph`` and ``kernel`` a decoder's next step runs with.

    Args:
        decoder: whose ``gpu_parts`` may name fewer.
        x: what it decodes.
    """
    if not x.is_cuda or decoder.training or torch.is_autocast_enabled("cuda"):
        return frozenset()
    return decoder.gpu_parts if has_triton() else decoder.gpu_parts - {"kernel"}
