"""Which parts for GPUs a search runs with."""

from types import SimpleNamespace

import pytest
import torch

from espnet_mtla import gpu
from espnet_mtla.registry import DECODERS


@pytest.fixture
def decoder():
    return DECODERS["mtla"](11, 16, attention_heads=2, num_blocks=1).eval()


@pytest.fixture
def on_gpu():
    """What stands for a tensor on a GPU."""
    return SimpleNamespace(is_cuda=True)


def test_a_gpu_has_all(decoder, on_gpu):
    assert gpu.parts(decoder, on_gpu) == {"graph", "kernel"}
    decoder.gpu_parts = frozenset({"graph"})
    assert gpu.parts(decoder, on_gpu) == {"graph"}


def test_the_cpu_stays_with_pytorch(decoder):
    assert not gpu.parts(decoder, torch.zeros(2))


def test_training_and_autocast_stay_with_pytorch(decoder, on_gpu, monkeypatch):
    assert not gpu.parts(decoder.train(), on_gpu)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: device == "cuda")
    assert not gpu.parts(decoder.eval(), on_gpu)


def test_kernels_need_triton(decoder, on_gpu, monkeypatch):
    monkeypatch.setattr(gpu, "has_triton", lambda: False)
    assert gpu.parts(decoder, on_gpu) == {"graph"}
