"""Our names among the decoders of ESPnet's tasks."""

import pytest
from espnet2.asr.decoder.abs_decoder import AbsDecoder

from espnet_mtla import compat, registry
from espnet_mtla.decoder.variants import decoder_class
from espnet_mtla.errors import InputError
from espnet_mtla.task import TASKS
from espnet_mtla.variant import VARIANTS


@pytest.mark.parametrize("task", TASKS)
def test_every_task_takes_our_decoders(task):
    registry.register([task])
    registry.register(task)
    module = compat.task_module(task)
    assert module.__name__ == TASKS[task].modules[0]
    choices = module.decoder_choices
    for name in VARIANTS:
        assert choices.get_class(name) is decoder_class(name)
        assert issubclass(decoder_class(name), AbsDecoder)
    parser = compat.task_class(task).get_parser()
    action = next(a for a in parser._actions if a.dest == "decoder")
    assert set(VARIANTS) < set(action.choices)


def test_a_foreign_name_is_not_overwritten(monkeypatch):
    choices = compat.task_module("mt").decoder_choices
    monkeypatch.setitem(choices.classes, "mla", AbsDecoder)
    with pytest.raises(ValueError, match="'mla' is taken by .*AbsDecoder"):
        registry.register(["mt"])


def test_a_changed_base_class_is_noticed(monkeypatch):
    choices = compat.task_module("st").decoder_choices
    monkeypatch.setattr(choices, "base_type", dict)
    with pytest.raises(ValueError, match="st: decoders must be"):
        registry.register(["st"])


def test_an_unknown_task_is_refused():
    with pytest.raises(InputError, match="'tts': give one of asr, st, slu, mt"):
        registry.register(["tts"])
