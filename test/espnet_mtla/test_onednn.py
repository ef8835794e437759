"""oneDNN's products are PyTorch's, for every layout of memory that a search has."""

import random

import pytest
import torch

from espnet_mtla import onednn


def draw(*shape):
    """Matrices as attention holds them: dense, transposed, columns of wider ones."""
    *batch, rows, columns = shape
    return {
        "dense": torch.randn(shape),
        "transposed": torch.randn(*batch, columns, rows).mT,
        "columns": torch.randn(*batch, rows, columns + random.randint(1, 9))[
            ..., :columns
        ],
    }


@pytest.fixture
def calls(monkeypatch):
    """Send every product to oneDNN, and count."""
    seen = []
    linear = onednn.linear
    monkeypatch.setattr(onednn, "WORTH_IT", 1)
    monkeypatch.setattr(
        onednn, "linear", lambda *args: seen.append(args) or linear(*args)
    )
    return seen


@torch.no_grad()
@pytest.mark.parametrize("left", ["dense", "transposed", "columns"])
@pytest.mark.parametrize("right", ["dense", "transposed", "columns"])
@pytest.mark.parametrize("batch", [(1,), (3,), (2, 1), (2, 3)])
def test_products(calls, batch, left, right):
    m, k, n = (random.randint(1, 70) for _ in range(3))
    a, b = draw(*batch, m, k)[left], draw(*batch, k, n)[right]
    want = (a.double() @ b.double()).float()
    torch.testing.assert_close(onednn.product(a, b), want, atol=1e-4, rtol=1e-5)
    assert len(calls) == onednn.AVAILABLE * torch.Size(batch).numel()


@torch.no_grad()
def test_weights_that_would_be_slow_are_made_dense(calls):
    """A weight with other strides falls back to oneDNN's reference."""
    for right in draw(2, 30, 20).values():
        onednn.product(torch.randn(2, 10, 30), right)
    for _, weight, *_ in calls:
        assert weight.is_contiguous() or weight.mT.is_contiguous()


def test_what_it_does_not_take_is_pytorchs(calls):
    a, b = torch.randn(2, 9, 8, requires_grad=True), torch.randn(2, 8, 7)
    onednn.product(a, b).sum().backward()
    torch.testing.assert_close(a.grad, b.sum(-1)[:, None].expand_as(a))
    with torch.no_grad():
        assert onednn.product(a.double(), b.double()).dtype == torch.double
        with torch.autocast("cpu", torch.bfloat16):
            assert onednn.product(a, b).dtype == torch.bfloat16
    assert not calls


@torch.no_grad()
def test_small_products_are_not_worth_a_call(calls, monkeypatch):
    monkeypatch.setattr(onednn, "WORTH_IT", 9 * 8 * 7 + 1)
    a, b = torch.randn(2, 9, 8), torch.randn(2, 8, 7)
    torch.testing.assert_close(onednn.product(a, b), a @ b)
    assert not calls
