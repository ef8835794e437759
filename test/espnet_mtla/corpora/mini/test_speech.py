"""Synthetic speech."""

import time
from importlib.resources import files
from pathlib import Path

import espeakng_loader
import numpy as np
import pytest
import yaml

from espnet_mtla.corpora.mini.speech import Synthesiser, Voice
from espnet_mtla.errors import InputError

TEXTS = ["Wake me up at half past seven.", "How many euros are ten yen?"]
# Without flutter, breathy, a klatt voice, and another accent.
VOICES = [
    Voice("en-us+john"),
    Voice("en+f5"),
    Voice("en-us+klatt"),
    Voice("en-us-nyc+m3"),
]


def _voices() -> dict:
    path = files("espnet_mtla.corpora.mini") / "voices.yaml"
    return yaml.safe_load(path.read_text())


def test_what_is_said_does_not_depend_on_what_was_said_before():
    said = []
    for order in (1, -1):
        with Synthesiser() as synthesiser:
            jobs = [(text, voice) for voice in VOICES for text in TEXTS][::order]
            said.append({job: synthesiser.say(*job).tobytes() for job in jobs})
        time.sleep(1.1)  # espeak-ng would seed its noise by the second
    assert said[0] == said[1]
    assert len(set(said[0].values())) == len(VOICES) * len(TEXTS)


def test_rate_pitch_and_sampling_rate_matter():
    with Synthesiser() as synthesiser:
        plain = synthesiser.say(TEXTS[0], Voice("en-us+m3"))
        fast = synthesiser.say(TEXTS[0], Voice("en-us+m3", rate=250))
        high = synthesiser.say(TEXTS[0], Voice("en-us+m3", pitch=90))
    with Synthesiser(fs=8000) as synthesiser:
        half = synthesiser.say(TEXTS[0], Voice("en-us+m3"))
    assert 1 < len(plain) / 16000 < 3 and np.abs(plain).max() <= 1.1
    assert len(fast) < 0.9 * len(plain)
    assert not np.array_equal(plain[:8000], high[:8000])
    assert abs(len(half) - len(plain) / 2) <= 1


def test_unknown_voice_and_silence_are_named():
    with Synthesiser() as synthesiser:
        with pytest.raises(InputError, match="no voice 'xx-nowhere'"):
            synthesiser.say("Hello.", Voice("xx-nowhere"))
        with pytest.raises(InputError, match="no sound for ' '"):
            synthesiser.say(" ", Voice("en"))
        assert len(synthesiser.say("Hello.", Voice("en")))  # and goes on


def test_a_dead_server_is_an_error_of_one_line():
    with Synthesiser() as synthesiser:
        synthesiser._server.kill()
        synthesiser._server.wait()
        with pytest.raises(InputError, match="reinstall it with pip"):
            synthesiser.say("Hello.", Voice("en"))


def test_all_voices_exist_and_serve_one_split_each():
    folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    variants = [
        variant
        for groups in _voices()["variants"].values()
        for group in groups
        for variant in group
    ]
    assert len(variants) == len(set(variants))
    assert not [variant for variant in variants if not (folder / variant).is_file()]
    with Synthesiser() as synthesiser:
        for accent in _voices()["accents"]:
            synthesiser.say("Hello.", Voice(f"{accent}+m1"))
