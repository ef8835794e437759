"""ROUGE, against cases counted by hand."""

import json

import numpy as np
import pytest

from espnet_mtla.bin.score_sum import main
from espnet_mtla.scoring.rouge import MEASURES, rouge


def test_counted_by_hand():
    """Of 6 and 5 words 5 are shared, 1 pair of 5 and 4, 4 in a common order."""
    ref, hyp = "the cat sat on the mat", "The cat, on mat sat"
    got = rouge([ref], [hyp], use_stemmer=False)
    assert got["rouge1"] == pytest.approx(100 * 2 * 5 / (6 + 5), abs=0.005)
    assert got["rouge2"] == pytest.approx(100 * 2 * 1 / (5 + 4), abs=0.005)
    assert got["rougeL"] == pytest.approx(100 * 2 * 4 / (6 + 5), abs=0.005)
    assert got["signature"].startswith(
        "fmeasure|stemmer:no|bootstrap:1000|rouge-score:"
    )


def test_stems():
    """``meetings`` and ``meeting`` have one stem."""
    assert rouge(["two meetings"], ["two meeting"])["rouge2"] == 100
    assert rouge(["two meetings"], ["two meeting"], use_stemmer=False)["rouge1"] == 50


def test_a_missing_hypothesis_scores_nothing():
    got = rouge(["a b", "c d"], ["a b", ""])
    assert [got[name] for name in MEASURES] == [50, 50, 50]
    assert got["intervals"]["rougeL"] == [0, 100]


def test_intervals_hold_the_mean_and_are_always_the_same(seed):
    rng = np.random.default_rng(seed)
    words = list("abcdefgh")
    refs, hyps = ([" ".join(rng.choice(words, 5)) for _ in range(40)] for _ in range(2))
    before = np.random.get_state()[1].copy()
    got = rouge(refs, hyps)
    assert got == rouge(refs, hyps)
    assert (np.random.get_state()[1] == before).all()
    for name in MEASURES:
        low, high = got["intervals"][name]
        assert low <= got[name] <= high
    low, high = got["intervals"]["rouge1"]
    assert 0.5 < high - low < 30


def write(path, *lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_the_command(tmp_path, capsys, caplog):
    ref = write(tmp_path / "ref", "s1 A fire in Rome.", "s2 Two meetings.")
    hyp = write(tmp_path / "hyp", "s2 Two meeting!")
    out = tmp_path / "score_rouge"
    main(["--ref", ref, "--hyp", hyp, "--out", str(out)])
    result = json.loads((out / "result.json").read_text("utf-8"))
    assert (result["rouge1"], result["sentences"], result["missing"]) == (50, 2, 1)
    assert "1 of 2 utterances have no hypothesis" in caplog.text
    lines = (out / "result.txt").read_text().splitlines()
    assert lines[2] == "ROUGE-L: 50.00 (95 %: 0.00 to 100.00)"
    assert lines[3] == result["signature"] and len(lines) == 4
    assert "ROUGE-2: 50.00" in capsys.readouterr().out
    options = ["--use_stemmer", "false", "--out", str(out)]
    main(["--ref", ref, "--hyp", hyp, *options])
    assert json.loads((out / "result.json").read_text("utf-8"))["rouge1"] == 25
