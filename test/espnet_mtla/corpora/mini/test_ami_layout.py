"""The mini corpus in AMI's layout."""

from pathlib import Path

import soundfile

from espnet_mtla.corpora.ami import clean_text, prepare_ami
from espnet_mtla.corpora.mini.ami import LAYOUT, VOICES, plan
from espnet_mtla.corpora.mini.build import Recipe, make_mini
from espnet_mtla.files import read_table

SMALL = Recipe(num_train=25, num_dev=2, num_test=3, seed=6)
SIZES = dict(zip(VOICES, (25, 2, 3)))


def _content(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_the_reader_takes_all_of_it(tmp_path, caplog):
    root = tmp_path / "amicorpus"
    make_mini(root, SMALL, LAYOUT)
    report = prepare_ami(root, tmp_path / "data", tuple(VOICES))
    assert "dropped" not in report and "published" not in report + caplog.text
    for split, talks in plan(SMALL).items():
        assert f"{SIZES[split]} utterances" in report
        texts = read_table(tmp_path / "data" / split / "text")
        said = [clean_text(c.english) for talk in talks for c in talk.commands]
        assert sorted(texts.values()) == sorted(said)
        segments = read_table(tmp_path / "data" / split / "segments")
        wavs = read_table(tmp_path / "data" / split / "wav.scp")
        for row in segments.values():
            recording, start, end = row.split()
            assert 0.8 < float(end) - float(start) < 6
            assert float(end) < soundfile.info(wavs[recording]).duration
    make_mini(tmp_path / "again", SMALL, LAYOUT, nj=2)
    assert _content(tmp_path / "again") == _content(root)
