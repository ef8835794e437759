"""The mini corpus in MuST-C's layout, and how mini corpora are made again."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from espnet_mtla.corpora.mini.build import Recipe
from espnet_mtla.corpora.mini.build import make_mini as make
from espnet_mtla.corpora.mini.must_c import LAYOUT, SPLITS, plan, sizes
from espnet_mtla.corpora.must_c import prepare_must_c
from espnet_mtla.errors import InputError

SMALL = Recipe(num_train=45, num_dev=3, num_test=8, seed=5)


def make_mini(root, recipe, nj=1):
    return make(root, recipe, LAYOUT, nj=nj)


def _content(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("mini")
    make_mini(root, SMALL)
    return root


def test_published_layout(corpus):
    for split, size in sizes(SMALL).items():
        folder = corpus / "en-de" / "data" / split
        entries = yaml.safe_load((folder / "txt" / f"{split}.yaml").read_text())
        english = (folder / "txt" / f"{split}.en").read_text().splitlines()
        german = (folder / "txt" / f"{split}.de").read_text().splitlines()
        assert len(entries) == len(english) == len(german) == size
        assert set(entries[0]) == {
            "duration",
            "offset",
            "rW",
            "uW",
            "speaker_id",
            "wav",
        }
        assert {e["wav"] for e in entries} == set(os.listdir(folder / "wav"))
        for entry in entries:
            assert entry["wav"] == f"ted_{entry['speaker_id'].removeprefix('spk.')}.wav"


def test_segments_hold_the_speech_and_pauses_do_not(corpus):
    folder = corpus / "en-de" / "data" / "train"
    for wav in (folder / "wav").iterdir():
        samples, fs = soundfile.read(wav, dtype="float64", always_2d=True)
        assert fs == 16000 and samples.shape[1] == 1
        assert soundfile.info(wav).subtype == "PCM_16"
        spoken = np.zeros(len(samples), dtype=bool)
        for entry in yaml.safe_load((folder / "txt" / "train.yaml").read_text()):
            if entry["wav"] == wav.name:
                start = round(entry["offset"] * fs)
                spoken[start : start + round(entry["duration"] * fs)] = True
                assert 0.8 < entry["duration"] < 6
        power = (samples[spoken] ** 2).mean() / (samples[~spoken] ** 2).mean()
        assert power > 30  # 15 dB


def test_byte_identical_whatever_the_processes(corpus, tmp_path):
    make_mini(tmp_path, SMALL, nj=2)
    assert _content(tmp_path) == _content(corpus)


def test_sentences_and_voices_are_disjoint():
    talks = plan(Recipe(num_train=2000, num_dev=150, num_test=200))
    assert tuple(talks) == SPLITS
    seen: dict[str, str] = {}
    for split, group in talks.items():
        numbers = [talk.number for talk in group]
        assert len(numbers) == len(set(numbers))
        for talk in group:
            spoken = [text for c in talk.commands for text in (c.english, c.german)]
            for thing in (*spoken, talk.voice.voice.split("+")[1], talk.number):
                assert seen.setdefault(thing, split) == split
        variants = {talk.voice.voice for talk in group}
        assert len(variants) == len(group) or split == "train"
    assert len({t.voice.voice.split("+")[1] for t in talks["train"]}) >= 20


def test_seeds_differ():
    assert plan(SMALL) == plan(SMALL) != plan(Recipe(45, 3, 8, seed=6))


def test_a_complete_corpus_is_left_alone_and_a_damaged_one_made_again(tmp_path):
    recipe = Recipe(2, 1, 1, seed=2)
    make_mini(tmp_path, recipe)
    before = _content(tmp_path)
    wav = next((tmp_path / "en-de/data/dev/wav").iterdir())
    stamp = wav.stat().st_mtime_ns
    assert "left as it is" in make_mini(tmp_path, recipe)
    assert wav.stat().st_mtime_ns == stamp
    wav.unlink()
    assert "left as it is" not in make_mini(tmp_path, recipe)
    # As after a kill: claimed, not complete, a stray file.
    (tmp_path / "mini.json").write_text('{"complete": false}')
    (tmp_path / "en-de/data/dev/wav/ted_99.wav").write_bytes(b"half")
    make_mini(tmp_path, recipe)
    assert _content(tmp_path) == before


def test_another_corpus_is_not_touched(tmp_path):
    path = tmp_path / "en-de/data/train/wav/ted_1.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match=f"--out {tmp_path} holds another corpus"):
        make_mini(tmp_path, Recipe(2, 1, 1))
    assert list(_content(tmp_path).values()) == [b"precious"]


@pytest.mark.parametrize(
    "recipe, message",
    [
        (Recipe(num_dev=0), "--num_dev 0: must be at least 1"),
        (Recipe(seed=-1), "--seed -1: must not be negative"),
        (Recipe(num_train=10**6), "the grammar ran dry"),
    ],
)
def test_bad_options_leave_nothing(tmp_path, recipe, message):
    with pytest.raises(InputError, match=message):
        make_mini(tmp_path / "new", recipe)
    assert not (tmp_path / "new").exists()


def test_the_reader_takes_all_of_it(corpus, tmp_path):
    report = prepare_must_c(corpus, "de", tmp_path)
    assert "dropped" not in report
    for split, size in sizes(SMALL).items():
        assert f"{split}: segments: {size}, {size} utterances" in report
