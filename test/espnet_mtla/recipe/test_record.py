"""What a unit's key is made of."""

from pathlib import Path

import pytest

from espnet_mtla.recipe.record import Extent, digest, learnt, tables, written


def test_a_data_directory_is_its_tables(tmp_path):
    for name in ("text", "src_text_shape", "text.tc.de", "wav.scp", "utt2num_samples"):
        (tmp_path / name).write_text(name)
    before = digest(tmp_path)
    for name in ("wav.scp~", "notes", "text.tc.de.bak2", "tokens.txt", ".text"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "deeper").mkdir()
    assert len(tables(tmp_path)) == 5 and digest(tmp_path) == before
    (tmp_path / "wav.scp").rename(tmp_path / "segments")
    assert digest(tmp_path) != before
    assert digest(tmp_path / "gone") == "missing" and written(tmp_path / "gone") == 0
    newest = max(path.stat().st_mtime for path in tables(tmp_path))
    assert written(tmp_path) == newest


@pytest.mark.parametrize(
    ("asked", "done", "reached", "goes_on"),
    [
        (Extent(3), Extent(3), True, True),
        (Extent(3), Extent(5), True, True),
        (Extent(3), Extent(2), False, True),
        (Extent(3), Extent(None), False, True),
        (Extent(None), Extent(4), True, True),
        (Extent(3, 2), Extent(3), False, True),
        (Extent(3, None, 5), Extent(3, None, 5), True, True),
        (Extent(3, None, 4), Extent(3, None, 5), False, True),
        (Extent(3, None, 6), Extent(3, None, 5), False, False),
        (Extent(3, None, 6), Extent(3), False, True),
    ],
)
def test_extents(asked, done, reached, goes_on):
    assert asked.reached(done) == reached
    assert asked.goes_on_from(done) == goes_on


def test_what_is_learnt_and_how_far(tmp_path):
    config = Path(tmp_path / "train.yaml")
    config.write_text("max_epoch: 3\npatience: 2\nlr: 1\nkeep_nbest_models: [2, 5]\n")
    given = ["st_train", "--config", str(config), "--seed", "1"]
    what, extent = learnt(given)
    assert extent == Extent(3, 2, 5)
    assert learnt([*given, "--max_epoch", "4", "--max_epoch", "9"])[1].epochs == 9
    for same in ("--num_workers", "--max_epoch", "--log_interval", "--ngpu"):
        assert learnt([*given, same, "7"])[0] == what
    for other in ("--seed", "--lr"):
        assert learnt([*given, other, "7"])[0] != what
    assert learnt(["asr_train", *given[1:]])[0] != what
