"""Models that differ in their seed alone: one row, with mean, spread and difference."""

import math
import random
import statistics

import pytest
from scipy.stats import t

from espnet_mtla.scoring.seeds import difference_p, spread
from espnet_mtla.scoring.table import comparison, markdown
from espnet_mtla.scoring.trained import find_trained


def welch(a, b):
    """Welch's test as published (Welch 1947), degrees of freedom by Satterthwaite."""
    parts = [statistics.variance(x) / len(x) for x in (a, b)]
    value = (statistics.mean(a) - statistics.mean(b)) / math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / sum(p**2 / (len(x) - 1) for p, x in zip(parts, (a, b)))
    return 2 * t.sf(abs(value), freedom)


def test_the_difference_is_welch_s():
    for _ in range(20):
        a, b = (
            [
                random.gauss(random.uniform(80, 82), 2)
                for _ in range(random.randint(2, 6))
            ]
            for _ in range(2)
        )
        assert difference_p(a, b) == pytest.approx(welch(a, b))
        assert spread(a) == pytest.approx(statistics.stdev(a))


def test_what_cannot_differ_has_no_p():
    assert difference_p([80.0], [81.0, 82.0]) is None
    assert difference_p([80.0, 80.0], [81.0, 81.0]) is None
    assert difference_p([80.0, 80.0], [81.0, 82.0]) is not None
    assert spread([80.0]) is None


def test_seeds_are_one_row(trained, tmp_path):
    bleu = {"mha": [90.0, 94.0, 95.0], "mla": [80.0, 70.0, 91.0]}
    for decoder, values in bleu.items():
        for seed, value in enumerate(values, start=3):
            trained(
                f"{decoder}{seed}",
                decoder,
                10.0 * seed,
                100,
                seed=seed,
                score={"bleu": value},
            )
    trained("c", "mtla", 15.0, 50, seed=4)
    table = comparison(find_trained([tmp_path]), None)
    assert [r["decoder"] for r in table] == ["mha", "mla", "mtla s=2"]
    mha, mla, mtla = table
    assert mha["seeds"] == mla["seeds"] == [3, 4, 5] and mtla["seeds"] == [4]
    for row, values in zip((mha, mla), bleu.values()):
        assert row["bleu"] == pytest.approx(statistics.mean(values))
        assert row["bleu_spread"] == pytest.approx(statistics.stdev(values))
        assert row["bleu_by_seed"] == values
        assert row["seconds"] == 30.0  # of the first
    assert mtla["speedup"] == 2.0
    assert mla["seeds_p"] == pytest.approx(welch(*bleu.values()))
    assert "seeds_p" not in mha and mtla["seeds_p"] is None
    # a bootstrap would compare single models
    assert [r["bleu_p"] for r in table] == [None] * 3
    head, _, first, second, third = markdown(table, "st").splitlines()
    assert head.startswith(
        "| decoder | seeds | BLEU | p (seeds) | chrF | TER | time s |"
    )
    assert first.startswith("| mha | 3 4 5 | 93.00 ± 2.65 | - | 90.25 ± 0.00 |")
    assert second.startswith(f"| mla | 3 4 5 | 80.33 ± 10.50 | {mla['seeds_p']:.3f} |")
    assert third.startswith("| mtla s=2 | 4 | 80.00 | - | 90.25 | 12.50 | 15.0 |")


def test_what_a_model_started_from_or_is_fused_with_may_have_its_seed(
    trained, tmp_path
):
    """As ``--pretrain_asr true`` and ``--use_lm true`` name them; seed 1 is not named."""
    for decoder in ("mha", "mtla"):
        for seed in (1, 2, 22):
            named = "" if seed == 1 else f"_seed{seed}"
            trained(
                f"{decoder}{seed}",
                decoder,
                1.0,
                1,
                seed=seed,
                init_param=[f"exp/asr_pretraining{named}/valid.pth:encoder:encoder"],
                decoding=f"decode_lm_train{named}",
                score={"bleu": 80.0 + seed},
            )
    rows = find_trained([tmp_path])
    assert len({row.setting for row in rows}) == 1
    assert [r["seeds"] for r in comparison(rows, None)] == [[1, 2, 22]] * 2
    trained("other", "mha", 1.0, 1, seed=3, init_param=["exp/asr_pretraining_seed2/x"])
    table = comparison(find_trained([tmp_path / "st_other"]) + rows, None)
    assert len(table) == 3  # another seed's


def test_seeds_are_shown_where_they_differ(trained, tmp_path):
    trained("a", "mha", 10.0, 100, seed=7)
    trained("b", "mla", 10.0, 100, seed=7)
    table = comparison(find_trained([tmp_path]), None)
    assert "seeds" not in markdown(table, "st")
    trained("c", "mtla", 10.0, 100, seed=12)
    lines = markdown(comparison(find_trained([tmp_path]), None), "st").splitlines()
    assert lines[0].startswith("| decoder | seeds | BLEU | p |")
    assert lines[4].startswith("| mtla s=2 | 12 | 80.00 | 1.000 |")


def test_a_seed_that_is_there_twice_is_told_apart(trained, tmp_path):
    for tag in "ab":
        trained(tag, "mha", 10.0, 100, seed=1)
    trained("c", "mha", 10.0, 100, seed=2)
    table = comparison(find_trained([tmp_path]), None)
    assert [r["experiment"] for r in table] == ["st_a", "st_b", "st_c"]
    assert [r["speedup"] for r in table] == [None] * 3


@pytest.mark.parametrize("task", ["asr", "slu", "mt"])
def test_every_task_s_first_score_is_tested(trained, tmp_path, task):
    name = {"asr": "wer", "slu": "intent", "mt": "rouge1"}[task]
    values = {d: [random.uniform(10, 30) for _ in range(3)] for d in ("mha", "mtla")}
    for decoder, scores in values.items():
        for seed, score in enumerate(scores):
            tag = f"{decoder}{seed}"
            trained(tag, decoder, 1.0, 1, seed=seed, task=task, score={name: score})
    mha, mtla = comparison(find_trained([tmp_path]), None)
    assert mtla["seeds_p"] == pytest.approx(welch(values["mtla"], values["mha"]))
    assert "intervals" not in mha  # those of one model
