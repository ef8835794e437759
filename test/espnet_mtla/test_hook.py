"""Decoders that are registered as ESPnet's tasks are imported."""

import importlib
import subprocess
import sys

import pytest

from espnet_mtla import compat, hook
from espnet_mtla.variant import VARIANTS


@pytest.fixture
def installed():
    """The hook, for as long as the test lasts."""
    hook.install()
    yield hook.FINDER
    sys.meta_path.remove(hook.FINDER)


def test_only_what_is_imported_is_registered():
    """In a fresh process: nothing at first, then one task, and none that it does not need."""
    program = """
import sys
from espnet_mtla import hook
hook.install()
assert "torch" not in sys.modules
from espnet2.tasks.mt import MTTask, decoder_choices
names = list(decoder_choices.classes)
assert "espnet2.tasks.slu" not in sys.modules
print(*[name for name in names if name != "rnn"][-5:])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], text=True, capture_output=True, check=False
    )
    assert done.stdout.split() == list(VARIANTS), done.stderr


def test_what_was_imported_before_is_registered(monkeypatch):
    classes = compat.task_module("mt").decoder_choices.classes
    for name in VARIANTS:
        monkeypatch.delitem(classes, name, raising=False)
    hook.install()
    hook.install()
    assert sys.meta_path.count(hook.FINDER) == 1
    assert set(VARIANTS) < classes.keys()
    sys.meta_path.remove(hook.FINDER)


def test_espnet3_has_a_copy_of_its_own(installed, monkeypatch):
    name = "espnet3.systems.esp2_asr.task"
    monkeypatch.delitem(sys.modules, name, raising=False)
    copy = importlib.import_module(name)
    assert copy.decoder_choices is not compat.task_module("asr").decoder_choices
    assert set(VARIANTS) < copy.decoder_choices.classes.keys()


def test_a_foreign_name_stops_the_import(installed, monkeypatch):
    """As an error of the import, whoever asks for it; the module is not left half done."""
    name = "espnet3.systems.esp2_asr.task"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr("espnet_mtla.registry.decoder_class", lambda name: dict)
    with pytest.raises(ValueError, match=f"{name}: decoders must be .*AbsDecoder"):
        importlib.import_module(name)
    assert name not in sys.modules


def test_other_modules_are_left_to_others(installed):
    assert installed.find_spec("espnet2.tasks.lm") is None
    assert installed.find_spec("yaml") is None
