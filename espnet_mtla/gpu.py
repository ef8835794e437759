"""Parts for CUDA that run only when asked for: none has been timed on a GPU yet.

``ESPNET_MTLA_GPU=kernel,graph`` in the environment asks for both, one name for one:

- ``kernel``: MLA's and MTLA's steps attend in Triton (:mod:`.attention.fused`);
- ``graph``: steps are captured as CUDA graphs (:mod:`.decoder.graph`).

Everything else, and everything on other devices, is plain PyTorch.
"""

import importlib.util
import os
from collections.abc import Callable
from functools import cache

import torch

from espnet_mtla.errors import InputError

NAME = "ESPNET_MTLA_GPU"
PARTS = ("kernel", "graph")


@cache
def asked_for(part: str) -> bool:
    """Whether one of :data:`PARTS` is asked for; read once.

    Raises:
        InputError: an unknown name, or ``kernel`` without Triton.
    """
    value = os.environ.get(NAME, "")
    names = [name for name in value.replace(",", " ").split() if name]
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise InputError(f"{NAME}={value}: {unknown[0]} is not one of kernel, graph")
    if "kernel" in names and importlib.util.find_spec("triton") is None:
        raise InputError(f"{NAME}={value}: kernel needs Triton, which is not installed")
    return part in names


def latent_kernel(x: torch.Tensor) -> Callable | None:
    """What attends in a step of a latent variant; None for plain PyTorch.

    The one place where this is decided.

    Args:
        x: what attends, ``(N, D)``.
    """
    if not (x.is_cuda and asked_for("kernel")) or torch.is_grad_enabled():
        return None
    if x.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        return None
    from espnet_mtla.attention.fused import attend_latent

    return attend_latent


def graphs(decoder: torch.nn.Module, x: torch.Tensor) -> bool:
    """Whether a decoder's steps are captured; the one place where this is decided.

    Not under autocast, which may drop a weight's copy that a graph goes on reading.

    Args:
        decoder: whose dropout has to be off.
        x: what it decodes.
    """
    if not (x.is_cuda and asked_for("graph")):
        return False
    return not (decoder.training or torch.is_autocast_enabled("cuda"))
