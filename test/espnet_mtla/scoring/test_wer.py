"""Error rates, against alignments counted by hand and by NIST's sclite."""

import json
import random

import pytest
from rapidfuzz.distance import Levenshtein

from espnet_mtla.bin.score_asr import main
from espnet_mtla.errors import InputError
from espnet_mtla.scoring.wer import Counts, align, characters, count, table
from espnet_mtla.units import train_units


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [  # reference, hypothesis, (correct, substituted, deleted, inserted)
        ("the cat sat", "the cat sat", (3, 0, 0, 0)),
        ("the cat sat", "the hat sat", (2, 1, 0, 0)),
        ("the cat sat", "cat sat", (2, 0, 1, 0)),
        ("the cat sat", "the the cat sat", (3, 0, 0, 1)),
        ("the cat sat", "", (0, 0, 3, 0)),
        ("", "the cat", (0, 0, 0, 2)),
        # two substitutions cost 8, a deletion and an insertion 6
        ("a b", "b c", (1, 0, 1, 1)),
        # one substitution costs 4: cheaper than deleting and inserting
        ("a x b", "a y b", (2, 1, 0, 0)),
        # 3 substitutions or 2 + 2 around a match cost 12: fewest errors
        ("x x a", "a y y", (0, 3, 0, 0)),
        ("turn on the light now", "turn of light now please", (3, 1, 1, 1)),
    ],
)
def test_counted_by_hand(reference, hypothesis, counts):
    got = align(reference.split(), hypothesis.split())
    assert (got.correct, got.substitutions, got.deletions, got.insertions) == counts
    assert got.words == len(reference.split())
    assert got.wrong_sentences == (reference != hypothesis)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [  # letters as words; counts by sclite 2.4.10 of SCTK
        ("dbeefab", "cfacbcb", (3, 1, 3, 3)),
        ("febbfcbbbf", "bfdadebcbf", (6, 0, 4, 4)),
        ("cdbbebfbdfc", "ffacadbffa", (5, 1, 5, 4)),
        ("aacdeedfdcc", "bbfcababcdd", (5, 0, 6, 6)),
    ],
)
def test_counted_by_sclite(reference, hypothesis, counts):
    """Cases where sclite has more errors than the edit distance."""
    got = align(reference, hypothesis)
    assert (got.correct, got.substitutions, got.deletions, got.insertions) == counts
    assert got.errors > Levenshtein.distance(reference, hypothesis)


def _by_table(reference, hypothesis):
    """The cheapest alignment as (cost, errors), from the textbook's table."""
    row = [(3 * j, j) for j in range(len(hypothesis) + 1)]
    for r in reference:
        above, row = row, [(row[0][0] + 3, row[0][1] + 1)]
        for j, h in enumerate(hypothesis):
            hit = (0, 0) if r == h else (4, 1)
            steps = [(above[j], hit), (above[j + 1], (3, 1)), (row[j], (3, 1))]
            row.append(min((c + a, e + b) for (c, e), (a, b) in steps))
    return row[-1]


def test_cheapest_alignment_of_random_words():
    words = [str(n) for n in range(random.randint(2, 12))]
    for _ in range(200):
        pair = [random.choices(words, k=random.randint(0, 15)) for _ in range(2)]
        got = align(*pair)
        edits = got.deletions + got.insertions
        assert (3 * edits + 4 * got.substitutions, got.errors) == _by_table(*pair)
        assert got.correct + got.substitutions + got.deletions == len(pair[0])
        assert got.correct + got.substitutions + got.insertions == len(pair[1])


def test_utterances_add_up():
    got = count([["a", "b"], ["c"]], [["a"], ["c", "d"]])
    assert got == Counts(2, 3, 2, 0, 1, 1, 2)
    assert got.error_rate == pytest.approx(200 / 3)
    assert table({"set": got}) == [
        "|dataset|Snt|Wrd|Corr|Sub|Del|Ins|Err|S.Err|",
        "|---|---|---|---|---|---|---|---|---|",
        "|set|2|3|66.7|0.0|33.3|33.3|66.7|100.0|",
    ]


def test_without_a_word_there_is_no_rate():
    with pytest.raises(InputError, match="no reference has a word"):
        count([[]], [["a"]])


def test_a_space_is_a_character():
    assert characters(" a  bc ") == ["a", " ", "b", "c"]


def write(path, lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_the_command_counts_what_is_missing(tmp_path, capsys, caplog):
    ref = write(tmp_path / "ref", ["u1 AB C", "u2 D E", "u3 F"])
    decoded = tmp_path / "decode/test_clean"
    decoded.mkdir(parents=True)
    hyp = write(decoded / "text", ["u2 D E", "u1 AB B C"])
    train_units([ref], 10, "unigram", tmp_path / "units")
    out = decoded / "score"
    units = str(tmp_path / "units/bpe.model")
    main(["--ref", ref, "--hyp", hyp, "--bpemodel", units, "--out", str(out)])
    result = json.loads((out / "result.json").read_text("utf-8"))
    assert (result["missing"], result["sentences"]) == (1, 3)
    assert (result["wer"], result["cer"]) == (40.0, 37.5)  # 2 of 5, 3 of 8
    assert result["exact"] == 0.3333 and result["ter_counts"]["words"] >= 5
    text = (out / "result.txt").read_text("utf-8")
    assert text.strip() == capsys.readouterr().out.strip()
    assert "### WER\n|dataset|" in text and "### TER\n|dataset|" in text
    assert "|decode/test_clean|3|5|80.0|0.0|20.0|20.0|40.0|66.7|" in text
    assert "1 of 3 utterances have no hypothesis" in caplog.text


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "is missing"), (b"x", "is no sentencepiece model")]
)
def test_bad_units_are_named(tmp_path, content, problem):
    ref = write(tmp_path / "ref", ["u1 a"])
    model = tmp_path / "bpe.model"
    if content:
        model.write_bytes(content)
    options = ["--ref", ref, "--hyp", ref, "--out", str(tmp_path / "o")]
    with pytest.raises(InputError, match=f"bpe.model {problem}"):
        main([*options, "--bpemodel", str(model)])
