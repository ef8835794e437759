"""The comparison table: each row beside its MHA, and the paper's figures."""

import random

import pytest

from espnet_mtla.scoring.table import MIB, comparison, markdown, paper_figures
from espnet_mtla.scoring.trained import find_trained
from espnet_mtla.scoring.translation import bleu_p_values
from espnet_mtla.task import TASKS


def test_rows_are_compared_with_mha(trained, tmp_path):
    trained("b", "mtla", 5.0, 50, options={"temporal_stride": 4})
    trained("a", "mtla", 10.0, 100)
    trained("c", "mha", 20.0, 200)
    trained("d", "gqa", 8.0, 120)
    table = comparison(find_trained([tmp_path]), paper_figures("must_c", "st"))
    assert [r["speedup"] for r in table] == [1.0, 2.5, 2.0, 4.0]
    assert [r["reduction"] for r in table] == [1.0, 1.67, 2.0, 4.0]
    assert [r["paper_speedup"] for r in table] == [1.0, 1.48, 4.29, 5.78]
    head, _, mha, _, mtla, _ = markdown(table, "st").splitlines()
    assert head == (
        "| decoder | BLEU | p | chrF | TER | time s | speed-up | memory MiB | peak MiB"
        " | reduction | params M | cache/token | cache MiB | paper: BLEU | paper: time s"
        " | paper: speed-up | paper: memory MiB | paper: reduction |"
    )
    assert mtla == (
        "| mtla s=2 | 80.00 | 1.000 | 90.25 | 12.50 | 10.0 | 2.00 | 100 | 90"
        " | 2.00 | 1.23 | 100 | 1.00 | 23.28 | 65.6 | 4.29 | 2835 | 6.58 |"
    )
    assert mha.startswith("| mha | 80.00 | - | 90.25 |")


def test_only_what_was_trained_alike_is_compared(trained, tmp_path):
    """A second MHA of other sizes is nobody's baseline but its own."""
    trained("a", "mha", 20.0, 200)
    trained("b", "mha", 80.0, 800, accum_grad=7)
    trained("c", "mla", 20.0, 200, accum_grad=7)
    trained("d", "mla", 10.0, 100, accum_grad=9)
    table = comparison(find_trained([tmp_path]), None)
    assert [r["speedup"] for r in table] == [1.0, 1.0, 4.0, None]
    assert [r["bleu_p"] for r in table] == [None, None, 1.0, None]
    lines = markdown(table, "st")
    assert (
        "| mla (st_d) | 80.00 | - | 90.25 | 12.50 | 10.0 | - | 100 | 90 | - |" in lines
    )
    assert "paper" not in lines


def test_two_of_one_kind_are_no_baseline(trained, tmp_path):
    for tag in "ab":
        trained(tag, "mha", 20.0, 200)
    trained("c", "mla", 10.0, 100)
    table = comparison(find_trained([tmp_path]), None)
    assert [r["speedup"] for r in table] == [None] * 3
    assert "speed-up" not in markdown(table, "st")  # nor has it a column


def test_each_context_has_its_mha(trained, tmp_path):
    cross = {"context": "cross"}
    trained("a", "mha", 20.0, 200)
    trained("b", "mha", 60.0, 600, options=cross)
    trained("c", "mtla", 10.0, 100, options={"context": "prompt"})
    trained("d", "mtla", 10.0, 100, options=cross | {"temporal_stride": 2})
    table = comparison(find_trained([tmp_path]), paper_figures("must_c", "st"))
    assert [(r["decoder"], r["speedup"]) for r in table] == [
        ("mha", 1.0),
        ("mha, cross", 1.0),
        ("mtla s=2", 2.0),
        ("mtla s=2, cross", 6.0),
    ]
    # the paper's decoder has no cross-attention
    assert [r["paper_bleu"] for r in table] == [23.18, None, 23.28, None]


SIZES = {"attention_heads": 8, "num_blocks": 9}


def test_espnet_s_decoder_comes_first_and_is_related_to_mha(trained, tmp_path):
    """To that of the usual context: it has none of its own, whatever it attends to."""
    trained("a", "mha", 20.0, 200)
    trained("b", "mha", 60.0, 600, options={"context": "cross"})
    trained("c", "transformer", 40.0, 250, options=SIZES)
    trained("d", "transformer", 30.0, 200, options=SIZES | {"qk_norm": True})
    trained("e", "transformer", 30.0, 200, options=SIZES | {"num_blocks": 3})
    table = comparison(find_trained([tmp_path]), paper_figures("must_c", "st"))
    assert [(r["decoder"], r["speedup"], r["bleu_p"]) for r in table] == [
        ("transformer", 0.5, 1.0),
        ("transformer", None, None),  # of another training
        ("transformer qk_norm=True", 0.67, 1.0),
        ("mha", 1.0, None),
        ("mha, cross", 1.0, None),
    ]
    assert {r["paper_bleu"] for r in table if r["decoder"] != "mha"} == {None}


@pytest.mark.parametrize(
    ("cached", "cells"),
    [
        ({"cache_elements": 864, "source_elements": 864}, "| 864 | 864 | 3.00 |"),
        ({"cache_elements": None, "source_elements": None}, "| - | - | - |"),
    ],
)
def test_a_cache_that_is_not_known_is_a_dash(trained, tmp_path, cached, cells):
    known = {"cache_bytes": 3 * MIB if cached["cache_elements"] else None}
    trained("a", "transformer", 10.0, 100, options=SIZES, **cached, **known)
    trained("b", "mha", 10.0, 100, options={"context": "cross"}, source_elements=72)
    espnets, ours = markdown(comparison(find_trained([tmp_path]), None), "st").split(
        "\n"
    )[2:]
    assert espnets.startswith("| transformer |") and espnets.endswith(cells)
    assert ours.endswith("| 100 | 72 | 1.00 |")


def test_espnet_s_search_is_a_row_beside_the_fast_one(trained, tmp_path):
    """Related to the fast MHA, as all are; without one to none."""
    searched = {"decoding": "decode_search_espnet", "search": "espnet"}
    for seed in (1, 2):  # and seeds are of one search
        trained(f"t{seed}", "transformer", 40.0, 100, options=SIZES, seed=seed)
    trained("m", "mha", 80.0, 100, seed=1, **searched)
    trained("t1", "transformer", 160.0, 100, options=SIZES, seed=1, **searched)
    table = comparison(find_trained([tmp_path]), paper_figures("must_c", "st"))
    assert [r["speedup"] for r in table] == [None] * 3
    trained("m", "mha", 20.0, 100, seed=1)
    rows = find_trained([tmp_path])
    assert len({row.setting for row in rows}) == 1
    table = comparison(rows, paper_figures("must_c", "st"))
    assert [(r["decoder"], r["seeds"], r["speedup"]) for r in table] == [
        ("transformer", [1, 2], 0.5),
        ("transformer, ESPnet's search", [1], 0.12),
        ("mha", [1], 1.0),
        ("mha, ESPnet's search", [1], 0.25),
    ]
    assert [r["paper_bleu"] for r in table] == [None, None, 23.18, None]


def test_p_values_are_of_each_row_against_its_own_mha(trained, tmp_path):
    words = [f"w{i}" for i in range(30)]
    refs = [" ".join(random.choices(words, k=random.randint(5, 9))) for _ in range(23)]

    def noisy(share):
        return [
            " ".join(random.choice(words) if random.random() < share else w for w in t)
            for t in map(str.split, refs)
        ]

    texts = {"a": noisy(0.1), "b": noisy(0.6), "c": noisy(0.2), "d": noisy(0.15)}
    decoders = {"a": ("mha", 1), "b": ("mha", 2), "c": ("mla", 1), "d": ("mqa", 2)}
    for tag, (decoder, accum_grad) in decoders.items():
        hyps = texts[tag]
        trained(
            tag,
            decoder,
            1.0,
            1,
            accum_grad=accum_grad,
            references=refs,
            hypotheses=hyps,
        )
    table = comparison(find_trained([tmp_path]), None)
    found = {r["experiment"]: r["bleu_p"] for r in table}
    assert found["st_a"] is None and found["st_b"] is None
    assert [found["st_c"]] == bleu_p_values(refs, texts["a"], [texts["c"]])
    assert [found["st_d"]] == bleu_p_values(refs, texts["b"], [texts["d"]])


@pytest.mark.parametrize(
    ("task", "corpus", "head", "cells"),
    [
        ("asr", "ami", "| WER | CER |", "| 3.00 | 1.50 |"),
        (
            "slu",
            "slurp",
            "| intent % | scenario % | action % |",
            "| 95.50 | 97.00 | 96.00 |",
        ),
        ("mt", "xsum", "| R-1 | R-2 | R-L |", "| 61.00 | 40.50 | 60.25 |"),
    ],
)
def test_each_task_has_its_scores(trained, tmp_path, task, corpus, head, cells):
    for name in ("mha", "mtla"):
        trained(name, name, 10.0, 100, task=task)
    paper = paper_figures(corpus, task)
    table = comparison(find_trained([tmp_path]), paper)
    lines = markdown(table, task)
    assert head in lines and lines.count(cells) == 2 and "BLEU" not in lines
    for name in TASKS[task].scores:
        theirs = [paper["rows"][label].get(name) for label in ("mha", "mtla s=2")]
        assert [row[f"paper_{name}"] for row in table] == theirs
    assert table[0].get("intervals") == (
        {"rouge1": [60.0, 62.0]} if task == "mt" else None
    )


def test_the_paper_s_rouge_stands_in_three_columns(trained, tmp_path):
    trained("a", "mla", 10.0, 100, task="mt")
    table = comparison(find_trained([tmp_path]), paper_figures("xsum", "mt"))
    lines = markdown(table, "mt")
    assert "| paper: R-1 | paper: R-2 | paper: R-L | paper: time s |" in lines
    assert "| 29.39 | 9.87 | 23.78 | 141.1 | 2.50 | 3746 | 4.30 |" in lines


def test_entities_have_a_column_where_they_were_scored(trained, tmp_path):
    trained("a", "mha", 10.0, 100, task="slu")
    trained("b", "mla", 10.0, 100, task="slu", score={"slu_f1": 77.25, "wer": 4.0})
    lines = markdown(comparison(find_trained([tmp_path]), None), "slu")
    assert "| action % | SLU-F1 | WER | time s |" in lines
    assert "| 96.00 | - | - | 10.0 |" in lines
    assert "| 96.00 | 77.25 | 4.00 | 10.0 |" in lines


def test_a_source_has_a_column(trained, tmp_path):
    """Cached numbers a frame, where a row has cross-attention."""
    trained("a", "mha", 10.0, 100)
    assert "cache/frame" not in markdown(
        comparison(find_trained([tmp_path]), None), "st"
    )
    trained("b", "mtla", 10.0, 100, options={"context": "cross"}, source_elements=72.0)
    trained("c", "mqa", 10.0, 100, source_elements=None)
    lines = markdown(comparison(find_trained([tmp_path]), None), "st")
    assert "| cache/token | cache/frame | cache MiB |" in lines
    assert lines.count("| 100 | 72 | 1.00 |") == 1
    assert lines.count("| 100 | - | 1.00 |") == 2


def test_the_paper_has_no_figures_of_other_options(trained, tmp_path):
    trained("a", "mla", 10.0, 100, options={"q_lora_rank": 0})
    trained("b", "mla", 10.0, 100, options={"kv_lora_rank": 64})
    table = comparison(find_trained([tmp_path]), paper_figures("must_c", "st"))
    found = [(r["decoder"], r["paper_bleu"]) for r in table]
    assert found == [("mla", 22.97), ("mla kv_lora_rank=64", None)]


def test_scores_of_before_are_read(trained, tmp_path):
    """A result.json that has BLEU alone."""
    trained("a", "mha", 10.0, 100, score={"chrf": None, "ter": None})
    lines = markdown(comparison(find_trained([tmp_path]), None), "st")
    assert lines.startswith("| decoder | BLEU | time s |")
