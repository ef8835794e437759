"""Scores of decoded text, aligned by utterance id."""

import json
import math
import random

import pytest
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest

from espnet_mtla.bin.score_st import main
from espnet_mtla.errors import InputError
from espnet_mtla.scoring.text import aligned
from espnet_mtla.scoring.translation import bleu_p_values, translation


def write(path, lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_bleu_counted_by_hand():
    """One sentence of six tokens: 5/6, 3/5, 2/4 and 1/3 n-grams match, no brevity."""
    ref = ["the cat sat on the mat"]
    hyp = ["the dog sat on the mat"]
    want = 100 * math.exp(sum(map(math.log, (5 / 6, 3 / 5, 2 / 4, 1 / 3))) / 4)
    got = translation(ref, hyp)
    assert got["bleu"] == pytest.approx(want, abs=0.006)
    assert got["signature"].startswith("BLEU|nrefs:1|case:mixed|eff:no|tok:13a|")


def test_ter_counted_by_hand():
    """A phrase moved is one edit, a word changed another: 2 of 6 + 3 words."""
    ref = ["on the mat sat the cat", "a b c"]
    hyp = ["the cat on the mat sat", "a x c"]
    assert translation(ref, hyp)["ter"] == pytest.approx(100 * 2 / 9, abs=0.006)


def test_chrf_counted_by_hand():
    """``ab`` for ``abc``: of 1- and 2-grams all found, 2/3 and 1/2 of the true ones.

    No longer n-gram is in the hypothesis, so orders 1 and 2 count: F with beta 2
    of precision 1 and recall 2/3, and of precision 1 and recall 1/2, averaged as
    sacrebleu does, precisions and recalls first.
    """
    precision, recall = 1.0, (2 / 3 + 1 / 2) / 2
    want = 100 * 5 * precision * recall / (4 * precision + recall)
    assert translation(["abc"], ["ab"])["chrf"] == pytest.approx(want, abs=0.006)


def noisy(refs, words, share):
    return [
        " ".join(random.choice(words) if random.random() < share else w for w in t)
        for t in map(str.split, refs)
    ]


@pytest.fixture
def drawn():
    words = [f"{c}{i}" for c in "abC" for i in range(15)]
    n = random.randint(20, 40)
    refs = [" ".join(random.choices(words, k=random.randint(2, 12))) for _ in range(n)]
    return refs, words


def test_scores_are_sacrebleu_s_own(drawn):
    refs, words = drawn
    hyps = noisy(refs, words, 0.3)
    got = translation(refs, hyps)
    for name, kind in (("bleu", BLEU), ("chrf", CHRF), ("ter", TER)):
        metric = kind()
        score = metric.corpus_score(hyps, [refs])
        assert got[name] == round(score.score, 2)
        assert f"{score.name}|{metric.get_signature()}" in got["signature"].split("; ")
        assert str(score.format(width=2)) in got["lines"]


def test_p_values_are_sacrebleu_s_own(drawn):
    refs, words = drawn
    base, near, far = (noisy(refs, words, share) for share in (0.2, 0.25, 0.9))
    got = bleu_p_values(refs, base, [near, far])
    assert got == bleu_p_values(refs, base, [near, far])  # always the same draws
    for system, p_value in zip((near, far), got):
        named = [("base", base), ("system", system)]
        _, found = PairedTest(named, {"BLEU": BLEU()}, [refs], test_type="bs")()
        assert p_value == found["BLEU"][1].p_value
    assert got[1] < 0.01


def test_what_does_not_differ_is_not_significant(drawn):
    """sacrebleu alone would say p = 0.001: no resample differs by more than none."""
    refs, words = drawn
    hyps = noisy(refs, words, 0.5)
    assert bleu_p_values(refs, hyps, [list(hyps)]) == [1.0]
    named = [("base", hyps), ("system", hyps)]
    _, found = PairedTest(named, {"BLEU": BLEU()}, [refs], test_type="bs")()
    assert found["BLEU"][1].p_value < 0.01


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
    assert (result["chrf"], result["ter"], result["missing"]) == (100.0, 0.0, 0)
    *scores, signature = (tmp_path / "score_bleu/result.txt").read_text().splitlines()
    assert [line.split(" = ")[0] for line in scores] == ["BLEU", "chrF2", "TER"]
    assert signature == result["signature"] and "version:" in signature
    assert "BLEU = 100.00" in capsys.readouterr().out


def test_chinese_is_scored_by_character():
    """Without spaces, a sentence would be one token, right or wrong."""
    ref, hyp = ["我们今天学习机器翻译"], ["我们昨天学习机器翻译"]
    spaced = translation([" ".join(ref[0])], [" ".join(hyp[0])])
    got = translation(ref, hyp, "zh")
    assert got["bleu"] == spaced["bleu"] > 50
    assert got["ter"] == spaced["ter"] == 10  # one of ten
    assert "tok:zh" in got["signature"] and got["language"] == "zh"
    assert (translation(ref, hyp)["bleu"], translation(ref, hyp)["ter"]) == (0, 100)
    assert bleu_p_values(ref * 9, hyp * 9, [ref * 9], "zh")[0] < 0.01
