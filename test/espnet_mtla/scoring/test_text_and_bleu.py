"""Scores of decoded text, aligned by utterance id."""

import json
import math

import pytest

from espnet_mtla.bin.score_st import main
from espnet_mtla.errors import InputError
from espnet_mtla.scoring.bleu import bleu
from espnet_mtla.scoring.text import aligned


def write(path, lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_bleu_counted_by_hand():
    """One sentence of six tokens: 5/6, 3/5, 2/4 and 1/3 n-grams match, no brevity."""
    ref = ["the cat sat on the mat"]
    hyp = ["the dog sat on the mat"]
    want = 100 * math.exp(sum(map(math.log, (5 / 6, 3 / 5, 2 / 4, 1 / 3))) / 4)
    got = bleu(ref, hyp)
    assert got["bleu"] == pytest.approx(want, abs=0.006)
    assert "case:mixed" in got["signature"]
    assert "tok:13a" in got["signature"]


def test_chinese_is_scored_by_character():
    """Without spaces, a sentence would be one token, right or wrong."""
    ref, hyp = ["我们今天学习机器翻译"], ["我们昨天学习机器翻译"]
    spaced = bleu([" ".join(ref[0])], [" ".join(hyp[0])])
    got = bleu(ref, hyp, "zh")
    assert got["bleu"] == spaced["bleu"] > 50
    assert "tok:zh" in got["signature"]
    assert bleu(ref, hyp)["bleu"] == 0


def test_a_missing_hypothesis_counts_as_empty(tmp_path, caplog):
    ref = write(tmp_path / "ref", ["u1 ein Haus", "u2 zwei", "u3 drei"])
    hyp = write(tmp_path / "hyp", ["u3 drei", "u1 ein Haus"])
    assert aligned(ref, hyp) == (
        ["ein Haus", "zwei", "drei"],
        ["ein Haus", "", "drei"],
        1,
    )
    assert "1 of 3 utterances have no hypothesis" in caplog.text


@pytest.mark.parametrize(
    ("ref", "hyp", "words"),
    [
        (["u1 a", "u1 b"], ["u1 a"], r"ref line 2: u1 occurs a second time"),
        (["u1 a"], ["u2 a"], r"u2 .* is not in .*ref"),
        ([], [], "no references"),
    ],
)
def test_bad_files_are_named(tmp_path, ref, hyp, words):
    with pytest.raises(InputError, match=words):
        aligned(write(tmp_path / "ref", ref), write(tmp_path / "hyp", hyp))
    with pytest.raises(InputError, match="gone is missing"):
        aligned(tmp_path / "gone", tmp_path / "hyp")


def test_the_command_writes_result_and_texts(tmp_path, capsys):
    ref = write(tmp_path / "ref", ["u1 Das ist gut so.", "u2 Ja, das stimmt auch."])
    hyp = write(tmp_path / "hyp", ["u2 Ja, das stimmt auch.", "u1 Das ist gut so."])
    main(["--ref", ref, "--hyp", hyp, "--out", str(tmp_path / "score_bleu")])
    result = json.loads((tmp_path / "score_bleu/result.json").read_text("utf-8"))
    assert (result["bleu"], result["sentences"], result["exact"]) == (100.0, 2, 1.0)
    assert "version:" in (tmp_path / "score_bleu/result.txt").read_text("utf-8")
    assert "BLEU = 100.00" in capsys.readouterr().out
