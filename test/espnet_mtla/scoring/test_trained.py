"""What was trained: found wherever it is named, told apart, ordered."""

import shutil

import pytest

from espnet_mtla.errors import InputError
from espnet_mtla.scoring.trained import find_trained, label_of


def tags(rows):
    return [row.tag for row in rows]


@pytest.mark.parametrize(
    ("config", "label"),
    [
        ({"decoder": "mha"}, "mha"),
        ({"decoder": "mha", "decoder_conf": None}, "mha"),
        ({"decoder": "mtla"}, "mtla s=2"),
        ({"decoder": "mtla", "decoder_conf": {"temporal_stride": 7}}, "mtla s=7"),
        ({"decoder": "mla", "decoder_conf": {"context": "prompt"}}, "mla"),
        ({"decoder": "gqa", "decoder_conf": {"context": "cross"}}, "gqa, cross"),
        ({"decoder": "mtla", "decoder_conf": {"context": "cross"}}, "mtla s=2, cross"),
        ({"decoder": "transformer", "decoder_conf": {"num_blocks": 6}}, "transformer"),
        ({"decoder": None}, "none"),
    ],
)
def test_variants_have_names(config, label):
    assert label_of(config) == label


def test_rows_are_ordered_by_decoder(trained, tmp_path):
    trained("a", "transformer", 1.0, 1)
    trained("b", "mtla", 1.0, 1, options={"temporal_stride": 4})
    trained("c", "mtla", 1.0, 1)
    trained("d", "mha", 1.0, 1, options={"context": "cross"})
    trained("e", "mha", 1.0, 1)
    trained("f", "gqa", 1.0, 1)
    labels = [row.label for row in find_trained([tmp_path])]
    assert labels == ["mha", "mha, cross", "gqa", "mtla s=2", "mtla s=4", "transformer"]


def test_experiments_folders_and_recipes_name_the_same(trained, tmp_path, monkeypatch):
    """A recipe's real and mini experiments; what has no task or score is not there."""
    mini = "egs2/must_c/st1/exp/mini"
    a = trained("a", "mha", 1.0, 1, expdir=mini)
    b = trained("b", "mla", 1.0, 1, expdir=mini)
    c = trained("c", "gqa", 1.0, 1, expdir="egs2/must_c/st1/exp")
    lm = trained("lm", "mha", 1.0, 1, expdir=mini)
    lm.rename(lm.with_name("lm_train"))
    shutil.rmtree(trained("new", "mqa", 1.0, 1, expdir=mini) / "decode")
    recipe = tmp_path / "egs2/must_c/st1"
    (recipe / "run.sh").touch()
    assert tags(find_trained([recipe])) == ["st_a", "st_c", "st_b"]
    assert tags(find_trained([recipe / "exp/mini"])) == ["st_a", "st_b"]
    assert tags(find_trained([b, c])) == ["st_c", "st_b"]
    assert tags(find_trained([a, recipe, c])) == ["st_a", "st_c", "st_b"]
    monkeypatch.chdir(recipe / "exp")
    rows = find_trained(["mini", "../../st1/exp/st_c"])
    assert tags(rows) == ["st_a", "st_c", "st_b"]
    # the corpus is the recipe's, unless it is named
    assert {row.corpus for row in rows} == {"must_c"}
    assert {row.corpus for row in find_trained([a], "ami")} == {"ami"}
    elsewhere = trained("z", "mha", 1.0, 1)
    assert find_trained([elsewhere])[0].corpus == ""


def test_what_cannot_be_compared_has_settings_of_its_own(trained, tmp_path):
    trained("a", "mha", 1.0, 1)
    trained("b", "mla", 2.0, 2)
    trained("c", "mla", 2.0, 2, references=["anderes", "noch", "eins"])
    trained("d", "mla", 2.0, 2, beam_size=50)
    trained("e", "mla", 2.0, 2, test_set="tst-HE.en-de")
    trained("f", "mla", 2.0, 2, decoding="decode_lm")
    a, *others = sorted(find_trained([tmp_path]), key=lambda row: row.tag)
    assert [row.setting == a.setting for row in others] == [True] + 4 * [False]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("mini", "mini: nothing scored yet; run stages 11 to 13 first"),
        ("mini/st_a", "st_a: nothing scored yet"),
        ("mini/st_b", r"mini/st_b: no such folder \(did you mean 'st_a'\?\)"),
        ("mini/lm_a", r"lm_a: experiments are called asr_\.\.\., st_\.\.\., slu_"),
    ],
)
def test_what_is_not_there_is_said(trained, tmp_path, path, words):
    for tag in "ab":
        experiment = trained(tag, "mha", 1.0, 1, expdir="mini")
        shutil.rmtree(experiment / "decode")
    experiment.rename(experiment.with_name("lm_a"))
    with pytest.raises(InputError, match=words):
        find_trained([tmp_path / path])


def test_a_broken_result_is_named(trained, tmp_path):
    broken = next(trained("a", "mha", 20.0, 200).rglob("result.json"))
    broken.write_text('{"bleu": ')
    with pytest.raises(InputError, match=r"result.json:1: not JSON"):
        find_trained([tmp_path])
