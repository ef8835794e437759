"""Packed linear layers are linear layers: in values, in training, when copied."""

import copy
import pickle
import random

import pytest
import torch

from espnet_mtla.decoder.packed import PackedLinear, pack, unpack
from espnet_mtla.decoder.variants import MTLADecoder, decoder_class
from espnet_mtla.onednn import AVAILABLE
from espnet_mtla.variant import VARIANTS


def make(bias):
    plain = torch.nn.Linear(random.randint(1, 70), random.randint(1, 70), bias=bias)
    packed = torch.nn.Sequential(copy.deepcopy(plain))
    pack(packed)
    return plain, packed


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1,), (2,), (31,), (3, 5), (2, 1, 4)])
def test_equals_a_linear_layer(bias, shape):
    plain, packed = make(bias)
    with torch.no_grad():
        for _ in range(2):
            x = torch.randn(*shape, plain.in_features)
            torch.testing.assert_close(packed(x), plain(x), atol=1e-5, rtol=1e-5)
    assert AVAILABLE == torch.backends.mkldnn.is_available()
    many = AVAILABLE and torch.Size(shape).numel() > 1
    assert (getattr(packed[0], "packed", None) is not None) == many


def test_gradients_flow_where_they_are_wanted():
    plain, packed = make(True)
    x = torch.randn(5, plain.in_features)
    with torch.no_grad():
        packed(x)
    for layer in (plain, packed):
        layer(x).square().sum().backward()
    torch.testing.assert_close(packed[0].weight.grad, plain.weight.grad)


def test_other_types_are_left_to_pytorch():
    plain, packed = make(True)
    x = torch.randn(4, plain.in_features)
    with torch.no_grad():
        packed(x)
        assert packed.double()(x.double()).dtype == torch.double
        with torch.autocast("cpu", torch.bfloat16):
            assert packed.float()(x).dtype == torch.bfloat16


@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_can_be_copied_after_use(way):
    plain, packed = make(True)
    x = torch.randn(4, plain.in_features)
    with torch.no_grad():
        packed(x)
        other = way(packed)
        pack(other)
        assert isinstance(other[0], PackedLinear)
        torch.testing.assert_close(other(x), plain(x), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_search_sees_weights_that_changed():
    decoder = MTLADecoder(7, 16, attention_heads=2, num_blocks=1).eval()
    x, ys = torch.randn(2, 6, 16), torch.ones(4, 1, dtype=torch.long)
    first, _ = decoder.batch_score(ys, [decoder.batch_init_state(x)] * 4, None)
    for p in decoder.parameters():
        p.data.add_(0.1 * torch.randn_like(p))  # unseen by version counters
    got, _ = decoder.batch_score(ys, [decoder.batch_init_state(x)] * 4, None)
    want, _ = decoder(x, torch.tensor([6, 6]), ys[:2], torch.tensor([1, 1]))
    torch.testing.assert_close(got[::2], want[:, 0].log_softmax(-1), atol=1e-4, rtol=0)
    assert not torch.allclose(got, first, atol=1e-4)


def test_a_validation_sees_weights_that_changed():
    """Teacher-forced without gradients, between updates and after a search."""
    decoder = MTLADecoder(7, 16, attention_heads=2, num_blocks=1).eval()
    inputs = torch.randn(2, 6, 16), torch.tensor([6, 5]), torch.ones(2, 3).long()
    sgd = torch.optim.SGD(decoder.parameters(), lr=1.0)
    decoder.batch_init_state(inputs[0])
    for _ in range(3):
        want, _ = decoder(*inputs, torch.tensor([3, 3]))
        with torch.no_grad():
            got, _ = decoder(*inputs, torch.tensor([3, 3]))
        torch.testing.assert_close(got, want, atol=1e-5, rtol=0)
        want.log_softmax(-1)[..., 1].mean().backward()
        sgd.step()


@torch.no_grad()
@pytest.mark.parametrize("searched", [False, True])
@pytest.mark.parametrize("context", ["prompt", "cross"])
@pytest.mark.parametrize("kind", VARIANTS)
def test_layers_at_rest_are_plain_and_can_be_quantised(kind, context, searched):
    """``--quantize_asr_model`` looks for layers that are exactly ``torch.nn.Linear``."""
    options = {"attention_heads": 2, "num_blocks": 1, "context": context}
    decoder = decoder_class(kind)(7, 16, **options).eval()
    x, ys = torch.randn(2, 6, 16), torch.randint(7, (4, 1))

    def scores(model):
        return model.batch_score(ys, [model.batch_init_state(x)] * 4, None)[0]

    want = scores(copy.deepcopy(decoder))
    if searched:
        scores(decoder)
        unpack(decoder)
    assert not any(isinstance(part, PackedLinear) for part in decoder.modules())
    small = torch.ao.quantization.quantize_dynamic(
        decoder, {torch.nn.Linear}, torch.qint8
    )
    assert not any(type(part) is torch.nn.Linear for part in small.modules())
    torch.testing.assert_close(scores(small), want, atol=0.2, rtol=0)


@torch.no_grad()
def test_a_copy_serves_later_searches_until_the_weight_is_another():
    layer = torch.nn.Linear(512, 300)
    packed = torch.nn.Sequential(layer)
    x = torch.randn(3, 512)

    def search():
        pack(packed)
        wanted = torch.nn.functional.linear(x, layer.weight, layer.bias)
        torch.testing.assert_close(packed(x), wanted, atol=1e-5, rtol=1e-5)
        return layer.packed

    first = search()
    assert search() is first
    if not AVAILABLE:
        return
    for column in range(512):
        row = random.randrange(300)
        # one number, unseen by version counters
        layer.weight.data[row, column] += random.choice([-1, 1]) * 1e-4
        with torch.device("meta"):  # whatever new tensors' device is
            pack(packed)
        assert layer.packed is None
        first = search()
    layer.weight.data = layer.weight.data.double()
    layer.bias.data = layer.bias.data.double()
    pack(packed)
    assert packed(x.double()).dtype == torch.double


@torch.no_grad()
def test_loaded_weights_are_seen_at_once():
    plain, packed = make(True)
    x = torch.randn(3, plain.in_features)
    packed(x)
    other = torch.nn.Linear(plain.in_features, plain.out_features)
    packed[0].load_state_dict(other.state_dict())
    torch.testing.assert_close(packed(x), other(x), atol=1e-5, rtol=1e-5)


def test_unpacking_forgets():
    _, packed = make(False)
    with torch.no_grad():
        packed(torch.randn(3, packed[0].in_features))
    unpack(packed)
    assert type(packed[0]) is torch.nn.Linear
    pack(packed)
    assert not AVAILABLE or packed[0].packed is None
