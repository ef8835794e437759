"""Packed linear layers are linear layers: in values, for gradients, when copied."""

import copy
import pickle
import random

import pytest
import torch
from espnet2.lm.transformer_lm import TransformerLM

from espnet_mtla.onednn import AVAILABLE, multiplies_bfloat16, takes
from espnet_mtla.search.packed import PackedLinear, pack

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="PyTorch is without oneDNN")


def make(bias=True):
    plain = torch.nn.Linear(random.randint(1, 70), random.randint(1, 70), bias=bias)
    return plain, pack(plain)


@pytest.fixture
def calls(monkeypatch):
    """Counts products of oneDNN."""
    seen = []
    product = torch.ops.mkldnn._linear_pointwise
    monkeypatch.setattr(
        torch.ops.mkldnn,
        "_linear_pointwise",
        lambda *args: seen.append(args) or product(*args),
    )
    return seen


def test_it_is_there_where_pytorch_has_it():
    assert torch.backends.mkldnn.is_available() and takes(torch.zeros(1))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1,), (2,), (31,), (3, 5), (2, 1, 4), (700,)])
@torch.no_grad()
def test_equals_a_linear_layer(bias, shape, calls):
    plain, packed = make(bias)
    for _ in range(2):
        x = torch.randn(*shape, plain.in_features)
        torch.testing.assert_close(packed(x), plain(x), atol=1e-5, rtol=1e-5)
    assert bool(calls) == (torch.Size(shape).numel() > 1)


def test_gradients_flow_where_they_are_wanted(calls):
    plain, packed = make()
    x = torch.randn(5, plain.in_features)
    grads = [
        torch.autograd.grad(layer(x).square().sum(), plain.weight)
        for layer in (plain, packed)
    ]
    torch.testing.assert_close(*grads)
    assert not calls


@torch.no_grad()
def test_other_types_are_left_to_pytorch(calls):
    plain, packed = make()
    x = torch.randn(4, plain.in_features)
    with torch.autocast("cpu", torch.bfloat16):
        assert packed(x).dtype == torch.bfloat16
    assert packed.double()(x.double()).dtype == torch.double
    assert not calls
    assert type(pack(plain.double())) is torch.nn.Linear


@torch.no_grad()
def test_bfloat16_is_packed_where_the_cpu_multiplies_it(calls):
    plain, _ = make()
    packed = pack(plain.bfloat16())
    x = torch.randn(5, plain.in_features).bfloat16()
    exact = copy.deepcopy(plain).double()(x.double())
    eps = torch.finfo(torch.bfloat16).eps
    torch.testing.assert_close(packed(x).double(), exact, atol=2 * eps, rtol=2 * eps)
    assert packed(x).dtype == torch.bfloat16
    assert bool(calls) == multiplies_bfloat16() == isinstance(packed, PackedLinear)


def shifted(layer):
    layer.register_forward_hook(lambda module, given, out: out + 1.0)


def doubled(layer):
    layer.register_forward_pre_hook(lambda module, given: given[0] * 2)


def replaced(layer):
    layer.forward = lambda x: x.sum(-1, keepdim=True)


def normed(layer):
    torch.nn.utils.weight_norm(layer)
    layer.weight_g.data.mul_(3)  # the attribute is computed before each product


def parametrized(layer):
    torch.nn.utils.parametrizations.weight_norm(layer)
    layer.parametrizations.weight.original0.data.mul_(3)


@pytest.mark.parametrize("change", [shifted, doubled, replaced, normed, parametrized])
@torch.no_grad()
def test_layers_that_do_more_stay(change, calls):
    plain, _ = make()
    change(plain)
    x = torch.randn(5, plain.in_features)
    for copies in (True, False):
        torch.testing.assert_close(
            pack(torch.nn.Sequential(plain), copies)(x), plain(x)
        )
    assert not calls


@torch.no_grad()
def test_without_copies(calls):
    """The weight itself is read, as it is at the time; a part of a wider one is not."""
    plain, _ = make()
    ours = pack(plain, copies=False)
    x = torch.randn(5, plain.in_features)
    plain.weight.mul_(2)
    torch.testing.assert_close(ours(x), plain(x), atol=1e-5, rtol=1e-5)
    assert len(calls) == 1
    wide = torch.nn.Parameter(torch.randn(plain.out_features, plain.in_features + 1))
    plain.weight = torch.nn.Parameter(wide[:, 1:])
    assert pack(plain, copies=False) is plain


@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
@torch.no_grad()
def test_can_be_copied(way):
    plain, packed = make()
    x = torch.randn(4, plain.in_features)
    other = way(torch.nn.Sequential(packed))
    assert isinstance(other[0], PackedLinear)
    want = plain(x)
    plain.weight.zero_()  # not the copy's
    torch.testing.assert_close(other(x), want, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_any_tree_of_modules_is_packed(calls):
    """ESPnet's language model, and a layer in two places."""
    lm = TransformerLM(
        9, None, embed_unit=8, att_unit=8, head=2, unit=9, layer=2
    ).eval()
    packed, tokens = pack(lm), torch.randint(1, 9, (3, 6))
    want, _ = lm(tokens, None)
    assert not calls
    torch.testing.assert_close(packed(tokens, None)[0], want, atol=1e-5, rtol=1e-4)
    n_linear = sum(type(part) is torch.nn.Linear for part in lm.modules())
    assert len(calls) == n_linear > 10
    layer = torch.nn.Linear(3, 3)
    twice = pack(torch.nn.Sequential(layer, torch.nn.Sequential(layer)))
    assert twice[0] is twice[1][0]
