"""What is asked for by the environment, and that nothing runs unasked."""

import pytest
import torch

from espnet_mtla import gpu
from espnet_mtla.errors import InputError


@pytest.fixture(autouse=True)
def ask(monkeypatch):
    """Sets the variable; each test starts without it."""

    def set_to(value):
        gpu.asked_for.cache_clear()
        monkeypatch.setenv(gpu.NAME, value)

    monkeypatch.delenv(gpu.NAME, raising=False)
    gpu.asked_for.cache_clear()
    yield set_to
    gpu.asked_for.cache_clear()


def test_nothing_unless_asked_for(ask):
    assert not any(map(gpu.asked_for, gpu.PARTS))
    ask("graph")
    assert [gpu.asked_for(part) for part in gpu.PARTS] == [False, True]
    ask("graph, kernel")
    assert all(map(gpu.asked_for, gpu.PARTS))


def test_an_unknown_name_is_refused(ask):
    ask("kernel,grahp")
    with pytest.raises(InputError, match="ESPNET_MTLA_GPU=kernel,grahp: grahp is not"):
        gpu.asked_for("kernel")


def test_the_kernel_needs_triton(ask, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ask("kernel")
    with pytest.raises(InputError, match="needs Triton"):
        gpu.asked_for("kernel")


def test_the_cpu_stays_with_pytorch(ask):
    ask("kernel,graph")
    with torch.no_grad():
        assert gpu.latent_kernel(torch.randn(2, 8)) is None
