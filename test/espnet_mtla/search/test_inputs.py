"""How the length of what a task decodes is counted."""

from argparse import Namespace

import pytest

from espnet_mtla.search.inputs import input_of


@pytest.mark.parametrize("task", ["asr", "st", "slu"])
@pytest.mark.parametrize(
    ("conf", "rate"), [({"fs": "8k"}, 8000), ({"fs": 22050}, 22050), (None, 16000)]
)
def test_speech_counts_seconds_and_frames_of_10_ms(task, conf, rate):
    speech = input_of(task, Namespace(frontend_conf=conf))
    assert (speech.name, speech.measure) == ("speech", "audio_seconds")
    assert 3 * rate / speech.unit == 3 and 3 * rate / speech.frame == 300


def test_text_counts_units():
    text = input_of("mt", Namespace(frontend_conf={"embed_dim": 8}))
    assert (text.name, text.measure) == ("src_text", "source_units")
    assert (text.frame, text.unit) == (1, 1)
