"""Which parts for GPUs a search runs with."""

from types import SimpleNamespace

import pytest
import torch

from espnet_mtla import gpu
from espnet_mtla.decoder.variants import decoder_class


@pytest.fixture
def decoder():
    return decoder_class("mtla")(11, 16, attention_heads=2, num_blocks=1).eval()


@pytest.fixture
def on_gpu(monkeypatch):
    """What stands for a tensor on a GPU."""
    gpu.runs_kernels.cache_clear()
    monkeypatch.setattr(gpu, "has_triton", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    yield SimpleNamespace(is_cuda=True, device=torch.device("cuda"))
    gpu.runs_kernels.cache_clear()


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


def test_kernels_need_ampere_and_no_more_than_float32(decoder, on_gpu, monkeypatch):
    assert gpu.parts(decoder.double(), on_gpu) == {"graph"}
    gpu.runs_kernels.cache_clear()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert gpu.parts(decoder.float(), on_gpu) == {"graph"}


def test_triton_needs_a_compiler(monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    for found in (None, "/usr/bin/gcc"):
        gpu.has_triton.cache_clear()
        monkeypatch.setattr("shutil.which", lambda name, found=found: found)
        assert gpu.has_triton() == bool(found)
    gpu.has_triton.cache_clear()
