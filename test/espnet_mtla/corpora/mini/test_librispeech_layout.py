"""The mini corpus in LibriSpeech's layout."""

from pathlib import Path

import pytest
import soundfile

from espnet_mtla.corpora.librispeech import prepare_librispeech
from espnet_mtla.corpora.mini.build import Recipe, make_mini
from espnet_mtla.corpora.mini.librispeech import LAYOUT, VOICES, plan
from espnet_mtla.files import read_table

SMALL = Recipe(num_train=25, num_dev=2, num_test=5, seed=4)
SIZES = dict(zip(VOICES, (25, 2, 5, 1)))


def _content(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("mini")
    make_mini(root, SMALL, LAYOUT)
    return root


def test_published_layout(corpus):
    for part, size in SIZES.items():
        files = sorted((corpus / part).glob("*/*/*.flac"))
        assert len(files) == size
        for path in files:
            speaker, chapter, number = path.stem.split("-")
            assert path.parent == corpus / part / speaker / chapter
            assert len(number) == 4
            info = soundfile.info(path)
            assert (info.samplerate, info.channels, info.subtype) == (
                16000,
                1,
                "PCM_16",
            )
            assert 0.8 < info.duration < 6
    for path in corpus.rglob("*.trans.txt"):
        assert path.name == "{1}-{0}.trans.txt".format(*path.parts[-2:-4:-1])
        text = path.read_text()
        assert text == text.upper() and "." not in text.replace(path.stem, "")


def test_byte_identical_whatever_the_processes(corpus, tmp_path):
    make_mini(tmp_path, SMALL, LAYOUT, nj=2)
    assert _content(tmp_path) == _content(corpus)


def test_sentences_and_voices_are_disjoint():
    seen: dict[str, str] = {}
    for part, talks in plan(Recipe(num_train=400, num_dev=50, num_test=60)).items():
        for talk in talks:
            spoken = [command.english for command in talk.commands]
            for thing in (*spoken, talk.voice.voice.split("+")[1]):
                assert seen.setdefault(thing, part) == part


def test_the_reader_takes_all_of_it(corpus, tmp_path, caplog):
    report = prepare_librispeech(corpus, tmp_path)
    assert "dropped" not in report and "published" not in report + caplog.text
    for part, size in SIZES.items():
        assert f"{part}: transcripts: {size}, {size} utterances" in report
    text = " ".join(read_table(tmp_path / "train_clean_100/text").values())
    assert text.replace("'", "").replace(" ", "").isalpha()
