"""ESPnet's own decoders: what their rows say is what ESPnet has."""

import inspect

import pytest

from espnet_mtla import compat
from espnet_mtla.stock import SIZES, STOCK, known
from espnet_mtla.task import TASKS
from espnet_mtla.variant import VARIANTS


@pytest.mark.parametrize("stock", STOCK.values(), ids=STOCK)
def test_options_and_defaults_are_espnet_s(stock):
    found = {
        p.name: p.default
        for p in inspect.signature(stock.decoder()).parameters.values()
        # a class, which no YAML file can name
        if p.default is not p.empty and p.name != "pos_enc_class"
    }
    assert dict(stock.options) == found
    assert SIZES.keys() < found.keys() and stock.follows.keys() < found.keys()
    assert set(stock.follows.values()) < SIZES.keys()


@pytest.mark.parametrize("stock", STOCK.values(), ids=STOCK)
def test_a_name_is_that_class_in_every_task(stock):
    for task in TASKS:
        choices = compat.task_module(task).decoder_choices
        assert choices.get_class(stock.name) is stock.decoder()


@pytest.mark.parametrize("stock", STOCK.values(), ids=STOCK)
def test_its_embedding_says_units_and_width(stock):
    decoder = stock.decoder()(7, 16, attention_heads=2, linear_units=8, num_blocks=1)
    assert decoder.state_dict()[stock.embedding].shape == (7, 16)


def test_names_are_of_one_decoder():
    assert not VARIANTS.keys() & STOCK.keys()
    assert known("mla") is VARIANTS["mla"] and known("transformer") is not None
    assert known("rnn") is None and known(None) is None
