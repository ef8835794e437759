"""SLURP's annotation as one line of text and back."""

import random

import pytest

from espnet_mtla.corpora.meaning import (
    Entity,
    Meaning,
    has_entities,
    read_annotation,
    read_target,
)
from espnet_mtla.errors import InputError


def test_targets_as_documented():
    some = Meaning("alarm", "set", "wake me up at eight", (Entity("time", "eight"),))
    none = Meaning("iot", "hue_lightoff", "lights off")
    assert some.target() == "alarm_set wake me up at eight"
    assert some.target(True) == "alarm_set SEP time FILL eight SEP wake me up at eight"
    assert none.target(True) == "iot_hue_lightoff SEP lights off"
    assert read_target(none.target()) == read_target(none.target(True)) == none
    assert has_entities(none.target(True)) and not has_entities(some.target())


def test_every_target_reads_back():
    words = ["a", "sep", "fill", "o'clock", "n't", "7", "time", "é"]
    for _ in range(200):
        entities = tuple(
            Entity(random.choice(words), " ".join(random.choices(words, k=n)))
            for n in random.choices(range(1, 4), k=random.randrange(4))
        )
        transcript = " ".join(random.choices(words, k=random.randrange(6)))
        meaning = Meaning("qa", "maths_x", transcript, entities)
        assert read_target(meaning.target(True)) == meaning


@pytest.mark.parametrize(
    ("decoded", "meaning"),
    [
        ("", Meaning("", "", "")),
        ("alarm", Meaning("alarm", "", "")),
        ("alarm_set", Meaning("alarm", "set", "")),
        ("alarm_set SEP", Meaning("alarm", "set", "")),
        ("SEP a FILL b SEP c", Meaning("", "", "c", (Entity("a", "b"),))),
        ("x_y SEP a FILL SEP FILL b SEP a b SEP c", Meaning("x", "y", "c")),
        ("x_y SEP a FILL b FILL c SEP d", Meaning("x", "y", "d")),
        # Cut off inside an entity: what follows the last SEP is the transcript.
        ("x_y SEP a FILL b", Meaning("x", "y", "a FILL b")),
    ],
)
def test_what_a_model_may_say(decoded, meaning):
    assert read_target(decoded) == meaning


def test_annotation():
    text = "Play  [song_name : Two words] at [time:eight ] [date : to-day]"
    assert read_annotation(text, "x") == (
        "play two words at eight to-day",
        (
            Entity("song_name", "two words"),
            Entity("time", "eight"),
            Entity("date", "to-day"),
        ),
    )
    assert read_annotation("no [url : http://x]", "x")[1] == (
        Entity("url", "http://x"),
    )


@pytest.mark.parametrize("text", ["at [time : eight", "at [eight]", "at eight]"])
def test_a_broken_annotation_is_named(text):
    with pytest.raises(InputError, match="train.jsonl line 3: .* is not annotated"):
        read_annotation(text, "train.jsonl line 3")
