"""What a unit depends on, and how far trainings go."""

import pytest

from espnet_mtla.recipe.record import Extent, digest, learnt


@pytest.mark.parametrize(
    "name", ["wav.scp", "feats.scp", "text", "text.tc.zh-CN", "text.tc.pt_br"]
)
def test_tables_of_a_data_directory_count(name, tmp_path):
    (tmp_path / "spk2utt").write_text("a a\n")
    empty = digest(tmp_path)
    (tmp_path / name).write_text("a b\n")
    first = digest(tmp_path)
    (tmp_path / name).write_text("a c\n")
    assert len({empty, first, digest(tmp_path)}) == 3


@pytest.mark.parametrize("name", ["text~", "wav.scp~", "notes", ".text.swp"])
def test_what_lies_beside_them_does_not(name, tmp_path):
    before = digest(tmp_path)
    (tmp_path / name).write_text("mine")
    assert digest(tmp_path) == before


@pytest.mark.parametrize(
    ("now", "before", "goes_on", "reached"),
    [
        (Extent(8, None, 5), Extent(8, None, 5), True, True),
        (Extent(4, None, 5), Extent(8, None, 5), True, True),
        (Extent(9, None, 5), Extent(8, None, 5), True, False),
        (Extent(8, 3, 5), Extent(8, None, 5), True, False),
        (Extent(8, None, 3), Extent(8, None, 5), True, False),
        (Extent(8, None, 6), Extent(8, None, 5), False, False),
    ],
)
def test_how_far_a_training_goes(now, before, goes_on, reached):
    assert now.goes_on_from(before) == goes_on and now.reached(before) == reached


def test_what_is_not_said_is_espnet_s_default(tmp_path):
    from espnet2.tasks.asr import ASRTask

    config = tmp_path / "train.yaml"
    config.write_text("optim: adam\npatience: none\nnum_workers: 3\n")
    what, extent = learnt(["asr_train", "--config", str(config)])
    assert what == ["asr_train", {"optim": "adam"}]
    theirs = ASRTask.get_parser().parse_args(["--output_dir", "x", "--token_list", "x"])
    assert extent == Extent(
        theirs.max_epoch, theirs.patience, max(theirs.keep_nbest_models)
    )
    words = ["asr_train", "--config", str(config), "--keep_nbest_models", "2", "7"]
    assert learnt([*words, "--max_epoch", "3"])[1] == Extent(3, None, 7)
