"""Products of oneDNN against PyTorch's in double precision."""

import random

import pytest
import torch

from espnet_mtla import onednn


@pytest.fixture
def calls(monkeypatch):
    """Counts products of oneDNN."""
    seen = []
    one = onednn.linear
    monkeypatch.setattr(onednn, "linear", lambda *args: seen.append(args) or one(*args))
    return seen


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """The inputs of these tests are small."""
    monkeypatch.setattr(onednn, "ENOUGH", 1000)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("rows", [1, 8, 77])
@torch.no_grad()
def test_product(turned, rows, calls):
    n_utt, n_groups = random.randint(1, 3), random.randint(1, 2)
    width, columns = random.randint(1, 70), random.randint(1, 70)
    x = torch.randn(n_utt, n_groups, rows, width)
    y = torch.randn(n_utt, n_groups, columns, width)
    if turned:
        y = y.mT.contiguous().mT
    got = onednn.product(x, y)
    want = x.double() @ y.double().mT
    torch.testing.assert_close(got.double(), want, atol=1e-4, rtol=1e-4)
    many = rows * width * columns >= 3000
    expected = n_utt * n_groups if many and onednn.AVAILABLE else 0
    assert len(calls) == expected
    for other in (torch.float64, torch.bfloat16):
        got = onednn.product(x.to(other), y.to(other))
        assert got.dtype == other
        torch.testing.assert_close(got.double(), want, atol=0.5, rtol=0.1)
    assert len(calls) == expected


@pytest.mark.parametrize("shape", [(2, 0, 5), (2, 5, 0), (0, 5, 3)])
@torch.no_grad()
def test_nothing_to_multiply(shape):
    n_utt, columns, width = shape
    x, y = torch.randn(n_utt, 1, 40, width), torch.randn(n_utt, 1, columns, width)
    assert torch.equal(onednn.product(x, y), torch.zeros(n_utt, 1, 40, columns))


def test_gradients_are_pytorchs(calls):
    x = torch.randn(2, 1, 40, 5, requires_grad=True)
    y = torch.randn(2, 1, 7, 5, requires_grad=True)
    onednn.product(x, y).square().sum().backward()
    found = x.grad.clone(), y.grad.clone()
    x.grad = y.grad = None
    (x @ y.mT).square().sum().backward()
    torch.testing.assert_close(found, (x.grad, y.grad))
    assert not calls


def test_other_types_and_devices_are_pytorchs(monkeypatch):
    assert onednn.takes(torch.zeros(1)) == onednn.AVAILABLE
    assert not onednn.takes(torch.zeros(1, dtype=torch.float64))
    assert not onednn.takes(torch.zeros(1, device="meta"))
    monkeypatch.setattr(onednn, "AVAILABLE", False)
    assert not onednn.takes(torch.zeros(1))
