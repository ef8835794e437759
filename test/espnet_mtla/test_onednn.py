"""oneDNN's products are PyTorch's, for every layout of memory that a search has."""

import random

import pytest
import torch

from espnet_mtla import onednn

SETTING = torch.backends.mkldnn.matmul


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
    preferred = onednn._preferred
    monkeypatch.setattr(onednn, "WORTH_IT", 1)
    monkeypatch.setattr(onednn, "_preferred", lambda: seen.append(1) or preferred())
    onednn.exact()  # once a process
    seen.clear()
    return seen


@torch.no_grad()
@pytest.mark.parametrize("left", ["dense", "transposed", "columns"])
@pytest.mark.parametrize("right", ["dense", "transposed", "columns"])
@pytest.mark.parametrize("batch", [(1,), (3,), (2, 1), (2, 3)])
@pytest.mark.parametrize("large", [False, True])
def test_products(calls, batch, left, right, large, monkeypatch):
    m, k, n = (random.randint(1, 70) for _ in range(3))
    if not large and torch.Size(batch).numel() > 1:  # worth it together, not by itself
        monkeypatch.setattr(onednn, "WORTH_IT", m * k * n + 1)
    a, b = draw(*batch, m, k)[left], draw(*batch, k, n)[right]
    before = SETTING.fp32_precision
    want = (a.double() @ b.double()).float()
    torch.testing.assert_close(onednn.product(a, b), want, atol=1e-4, rtol=1e-5)
    assert len(calls) == (onednn.AVAILABLE and onednn.exact())
    assert SETTING.fp32_precision == before


@torch.no_grad()
def test_the_users_setting_comes_back_after_an_error(calls, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no memory")

    monkeypatch.setattr(torch, "mm", fails)
    monkeypatch.setattr(onednn, "exact", lambda: True)
    before = SETTING.fp32_precision
    if onednn.AVAILABLE:
        with pytest.raises(RuntimeError):
            onednn.product(torch.randn(1, 9, 8), torch.randn(1, 8, 7))
    assert SETTING.fp32_precision == before


@torch.no_grad()
def test_a_cpu_whose_products_would_be_bfloat16s_is_found(calls, monkeypatch):
    """As with AMX: what comes back under the setting is rounded."""
    a, b = torch.randn(2, 9, 8), torch.randn(2, 8, 7)
    matmul = torch.Tensor.__matmul__

    def rounded(x, y):
        if SETTING.fp32_precision == "bf16" and x.dtype == torch.float32:
            return matmul(x.bfloat16(), y.bfloat16()).float()
        return matmul(x, y)

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounded)
    onednn.exact.cache_clear()
    try:
        assert not onednn.exact()
        calls.clear()
        torch.testing.assert_close(onednn.product(a, b), a @ b)
        assert not calls
    finally:
        onednn.exact.cache_clear()


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
    monkeypatch.setattr(onednn, "WORTH_IT", 2 * 9 * 8 * 7 + 1)
    a, b = torch.randn(2, 9, 8), torch.randn(2, 8, 7)
    torch.testing.assert_close(onednn.product(a, b), a @ b)
    assert not calls
