"""Which backend a decoder is searched with."""

from types import SimpleNamespace

import pytest
import torch

from espnet_mtla import onednn
from espnet_mtla.search import backend
from espnet_mtla.search.backend import CUDA, ONEDNN, PLAIN, Backend, choose


@pytest.fixture
def on_gpu(monkeypatch):
    """Makes what stands for a model on a GPU."""
    monkeypatch.setattr(backend, "has_triton", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))

    def model(dtype=torch.float32):
        weight = SimpleNamespace(device=torch.device("cuda"), dtype=dtype)
        return SimpleNamespace(parameters=lambda: iter([weight]))

    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_gpu_has_kernels_and_graphs(on_gpu, dtype):
    assert choose(on_gpu(dtype)) == CUDA == Backend(graphs=True, kernels=True)


def test_a_cpu_has_onednn_for_what_it_multiplies(monkeypatch):
    linear = torch.nn.Linear(2, 2)
    assert choose(linear) == (ONEDNN if onednn.AVAILABLE else PLAIN)
    assert choose(linear.double()) == PLAIN
    for there in (True, False):
        monkeypatch.setattr(onednn, "multiplies_bfloat16", lambda there=there: there)
        expected = ONEDNN if there and onednn.AVAILABLE else PLAIN
        assert choose(linear.bfloat16()) == expected
    monkeypatch.setattr(onednn, "AVAILABLE", False)
    assert choose(linear.float()) == PLAIN


def test_other_devices_stay_with_pytorch():
    assert choose(torch.nn.Linear(2, 2, device="meta")) == PLAIN


def test_kernels_need_triton(on_gpu, monkeypatch):
    monkeypatch.setattr(backend, "has_triton", lambda: False)
    assert choose(on_gpu()) == Backend(graphs=True)


def test_kernels_need_ampere_and_no_more_than_float32(on_gpu, monkeypatch):
    assert choose(on_gpu(torch.float64)) == Backend(graphs=True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert choose(on_gpu()) == Backend(graphs=True)


def test_triton_needs_a_compiler_now(monkeypatch):
    """Looked for each time: nothing of the environment is remembered."""
    monkeypatch.setattr("shutil.which", lambda name: name if name == "mycc" else None)
    for compiler, found in (("gone", False), ("mycc", True), ("gone", False)):
        monkeypatch.setenv("CC", compiler)
        assert backend.has_triton() == found
