"""SLURP's scores, on cases counted by hand after its description."""

import json
import random

import pytest

from espnet_mtla.bin.score_slu import main
from espnet_mtla.corpora.meaning import Entity, Meaning
from espnet_mtla.scoring.slu import (
    Confusion,
    char_distance,
    distant_entities,
    exact_entities,
    score_slu,
    word_distance,
)


def meaning(intent, *entities, transcript="words"):
    scenario, action = intent.split("_", 1)
    return Meaning(scenario, action, transcript, tuple(Entity(*e) for e in entities))


@pytest.mark.parametrize(
    ("true", "found", "word", "char"),
    [
        ("eight", "eight", 0, 0),
        ("eight", "light", 1, 1 / 5),
        ("eight", "ate", 1, 1),
        ("eight o'clock", "eight", 1 / 2, 8 / 13),
        # More words than there should be: a word error rate above one.
        ("eight", "eight in the morning", 3, 15 / 20),
        ("new york", "york", 1 / 2, 4 / 8),
        ("an hour", "", 1, 1),
    ],
)
def test_distances(true, found, word, char):
    assert word_distance(true, found) == pytest.approx(word)
    assert char_distance(true, found) == pytest.approx(char)


def test_the_type_decides_and_words_smooth():
    true = [Entity("time", "eight o'clock"), Entity("date", "monday")]
    found = [Entity("date", "monday"), Entity("time", "eight"), Entity("person", "ann")]
    assert exact_entities(true, found) == Confusion(1, 2, 1)
    # date: a hit. time: a hit, half a false alarm, half a miss. person: a false alarm.
    assert distant_entities(true, found, word_distance) == Confusion(2, 1.5, 0.5)
    want = Confusion(2, 1 + 8 / 13, 8 / 13)
    assert distant_entities(true, found, char_distance) == want


def test_each_takes_the_nearest_of_its_type_that_is_free():
    true = [Entity("city", "new york"), Entity("city", "york")]
    # The first found takes the second true one; the other is left with the first.
    found = [Entity("city", "york"), Entity("city", "new york")]
    assert distant_entities(true, found, word_distance) == Confusion(2, 0, 0)
    # In order, not by the best pairing: "new york city" takes "new york" (1/2),
    # "new york" is left with "york" (one insertion over one word).
    found = [Entity("city", "new york city"), Entity("city", "new york")]
    assert distant_entities(true, found, word_distance) == Confusion(2, 1.5, 1.5)


@pytest.mark.parametrize("distance", [word_distance, char_distance])
def test_nothing_true_or_nothing_found(distance):
    some = [Entity("time", "eight"), Entity("time", "nine")]
    assert distant_entities([], some, distance) == Confusion(0, 2, 0)
    assert distant_entities(some, [], distance) == Confusion(0, 0, 2)
    assert distant_entities([], [], distance).f1 == 0


def test_f1_is_that_of_precision_and_recall():
    for _ in range(20):
        hits, alarms, misses = (random.random() for _ in range(3))
        precision, recall = hits / (hits + alarms), hits / (hits + misses)
        f1 = 2 * precision * recall / (precision + recall)
        assert Confusion(hits, alarms, misses).f1 == pytest.approx(f1)


def test_a_test_set_by_hand():
    refs = [
        meaning("alarm_set", ("time", "eight o'clock")),
        meaning("qa_currency", ("currency_name", "dollar"), ("currency_name", "yen")),
        meaning("iot_hue_lightoff"),
        meaning("email_query", ("person", "ann")),
    ]
    hyps = [
        meaning("alarm_set", ("time", "eight")),  # half the words, 8 of 13 characters
        meaning("qa_currency", ("currency_name", "yen")),  # one missed
        meaning("iot_hue_lighton"),  # the scenario alone
        Meaning("", "", ""),  # no hypothesis
    ]
    # word: 2 hits, 1/2 false alarm, 1/2 + 1 + 1 misses; char with 8/13 for 1/2.
    word = 2 / (2 + (0.5 + 2.5) / 2)
    char = 2 / (2 + (8 / 13 + 2 + 8 / 13) / 2)
    both = 4 / (4 + (0.5 + 2.5 + 8 / 13 + 2 + 8 / 13) / 2)
    assert score_slu(refs, hyps, entities=True) == pytest.approx(
        {
            "intent": 50,
            "scenario": 75,
            "action": 50,
            "entity_f1": round(100 * 1 / (1 + (1 + 3) / 2), 2),
            "word_f1": round(100 * word, 2),
            "char_f1": round(100 * char, 2),
            "slu_f1": round(100 * both, 2),
        }
    )


def edits(a, b):
    """Levenshtein's distance, by its recursion."""
    if not a or not b:
        return len(a) + len(b)
    change = edits(a[1:], b[1:]) + (a[0] != b[0])
    return min(change, edits(a[1:], b) + 1, edits(a, b[1:]) + 1)


def literal_slu_f1(refs, hyps):
    """SLURP's evaluation, step by step: counts of both distances, then one F1."""
    true_positives = false_positives = false_negatives = 0.0
    for by_words in (True, False):
        for ref, hyp in zip(refs, hyps):
            gold = [(e.type, e.filler) for e in ref.entities]
            for kind, filler in [(e.type, e.filler) for e in hyp.entities]:
                best = None
                for candidate in gold:
                    if candidate[0] != kind:
                        continue
                    a, b = candidate[1], filler
                    if by_words:
                        distance = edits(a.split(), b.split()) / len(a.split())
                    else:
                        distance = edits(a, b) / max(len(a), len(b))
                    if best is None or distance < best[0]:
                        best = distance, candidate
                if best is None:
                    false_positives += 1
                else:
                    true_positives += 1
                    false_positives += best[0]
                    false_negatives += best[0]
                    gold.remove(best[1])
            false_negatives += len(gold)
    precision = true_positives / (true_positives + false_positives)
    recall = true_positives / (true_positives + false_negatives)
    return 100 * 2 * precision * recall / (precision + recall)


def test_slu_f1_of_random_entities():
    def some():
        entities = [
            (random.choice("ab"), " ".join(random.choices(["x", "yz", "x'"], k=n)))
            for n in random.choices([1, 1, 2], k=random.randint(0, 4))
        ]
        return meaning("a_b", *entities)

    refs = [meaning("a_b", ("a", "x"))] + [some() for _ in range(40)]
    hyps = [meaning("a_b", ("a", "x"))] + [some() for _ in range(40)]
    got = score_slu(refs, hyps, entities=True)["slu_f1"]
    assert got == pytest.approx(literal_slu_f1(refs, hyps), abs=0.006)


def test_perfect_and_without_entities():
    refs = [meaning("alarm_set", ("time", "eight")), meaning("news_query")]
    assert set(score_slu(refs, refs, entities=True).values()) == {100}
    accuracies = {"intent": 100, "scenario": 100, "action": 100}
    assert score_slu(refs, refs, entities=False) == accuracies


def write(path, *lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


def result_of(tmp_path, ref, hyp):
    main(["--ref", ref, "--hyp", hyp, "--out", str(tmp_path / "score_slu")])
    return json.loads((tmp_path / "score_slu/result.json").read_text("utf-8"))


def test_the_command_without_entities(tmp_path, capsys, caplog):
    ref = write(
        tmp_path / "ref", "u1 alarm_set at eight", "u2 news_query so", "u3 a_b c"
    )
    hyp = write(tmp_path / "hyp", "u2 news_query no", "u1 alarm_set at eight")
    result = result_of(tmp_path, ref, hyp)
    assert result == {
        "intent": 66.67,
        "scenario": 66.67,
        "action": 66.67,
        "wer": 50.0,  # of four words, one read wrong and one missing
        "sentences": 3,
        "missing": 1,
        "exact": 0.3333,
    }
    assert "1 of 3 utterances have no hypothesis" in caplog.text
    assert "intent accuracy: 66.67 %" in capsys.readouterr().out
    assert (tmp_path / "score_slu/hyp").read_text() == (
        "alarm_set at eight\nnews_query no\n\n"
    )


def test_the_command_with_entities(tmp_path):
    ref = write(
        tmp_path / "ref",
        "u1 alarm_set SEP time FILL eight o'clock SEP wake me at eight o'clock",
        "u2 news_query SEP what is new",
    )
    hyp = write(
        tmp_path / "hyp",
        "u1 alarm_set SEP time FILL eight SEP FILL SEP wake me",
        "u2 news_query what is new",  # not even the form is right
    )
    result = result_of(tmp_path, ref, hyp)
    assert result["intent"] == 100 and result["exact"] == 0
    assert result["entity_f1"] == 0
    assert result["word_f1"] == round(100 / 1.5, 2)
    assert result["slu_f1"] == round(200 / (2 + 0.5 + 8 / 13), 2)
    lines = (tmp_path / "score_slu/result.txt").read_text().splitlines()
    assert len(lines) == 8 and lines[-2] == f"SLU-F1: {result['slu_f1']:.2f} %"
