"""The comparison table: found, ordered, compared only with its equals."""

import json

import pytest
import yaml

from espnet_mtla.bin.compare import main, report
from espnet_mtla.errors import InputError
from espnet_mtla.scoring.table import comparison, markdown, paper_figures
from espnet_mtla.scoring.trained import MEASURES, find_trained

COST = {
    "peak_memory": 90 * 2**20,
    "memory_is": "resident",
    "cache_elements": 100,
    "cache_bytes": 2**20,
    "utterances": 7,
    "audio_seconds": 12.5,
    "parameters": 1_234_567,
    "beam_size": 5,
    "batch_size": 16,
    "batch_frames": 50000,
    "device": "cpu",
    "threads": 2,
    "dtype": "float32",
}


SCORED = {"st": ("score_bleu", {"bleu": 80.0, "signature": "sig"})}
SCORED["asr"] = ("score_wer", {"wer": 3.456})
SCORED["slu"] = ("score_slu", {"intent": 95.5, "slu_f1": 80.0})
SCORED["mt"] = ("score_rouge", {"rouge1": 61.0, "rougeL": 60.25, "signature": "sig"})


@pytest.fixture
def trained(tmp_path):
    def add(
        tag,
        decoder,
        seconds,
        memory,
        *,
        options=None,
        decoding="decode",
        seed=0,
        task="st",
        test_set="tst-COMMON.en-de",
        **cost,
    ):
        score_dir, score = SCORED[task]
        folder = tmp_path / f"{task}_{tag}" / decoding / test_set
        (folder / score_dir).mkdir(parents=True)
        conf = {"decoder": decoder, "decoder_conf": options or {}, "seed": seed}
        (folder / "../../config.yaml").write_text(yaml.safe_dump(conf))
        spent = COST | {"seconds": seconds, "average_memory": memory * 2**20} | cost
        (folder / "efficiency.json").write_text(json.dumps(spent))
        (folder / score_dir / "result.json").write_text(json.dumps(score))
        return tmp_path

    return add


def test_rows_are_ordered_and_compared_with_mha(trained):
    trained("b", "mtla", 5.0, 50, options={"temporal_stride": 4})
    trained("a", "mtla", 10.0, 100)
    trained("c", "mha", 20.0, 200)
    expdir = trained("d", "gqa", 8.0, 120)
    rows = find_trained(expdir, "st")
    assert [r.label for r in rows] == ["mha", "gqa", "mtla s=2", "mtla s=4"]
    table = comparison(rows, "st", paper_figures("must_c", "st"))
    assert [r["speedup"] for r in table] == [1.0, 2.5, 2.0, 4.0]
    assert [r["reduction"] for r in table] == [1.0, 1.67, 2.0, 4.0]
    assert [r["paper_speedup"] for r in table] == [1.0, 1.48, 4.29, 5.78]
    assert "| mtla s=2 | 1.23 | 80.00 | 10.0 | 2.00 | 100 | 90 | 2.00 |" in markdown(
        table, "st"
    )


def test_only_what_was_trained_alike_is_compared(trained):
    """A second MHA of other sizes is nobody's baseline but its own."""
    trained("a", "mha", 20.0, 200)
    trained("b", "mha", 80.0, 800, seed=7)
    trained("c", "mla", 20.0, 200, seed=7)
    expdir = trained("d", "mla", 10.0, 100, seed=9)
    table = comparison(find_trained(expdir, "st"), "st", None)
    assert [r["speedup"] for r in table] == [1.0, 1.0, 4.0, None]
    assert "| mla (st_d) | 1.23 | 80.00 | 10.0 | - | 100 | 90 | - |" in markdown(
        table, "st"
    )


def test_each_setting_has_a_table_of_its_own(trained):
    trained("a", "mha", 20.0, 200)
    trained("a", "mha", 40.0, 200, decoding="wide", beam_size=50)
    expdir = trained("b", "mla", 10.0, 100, decoding="gpu", device="NVIDIA H200")
    text, data = report(expdir, "st", "")
    assert [len(table["rows"]) for table in data["tables"]] == [1, 1, 1]
    assert [table["rows"][0]["speedup"] for table in data["tables"]] == [1.0, None, 1.0]
    assert "beam 50" in text and "NVIDIA H200" in text


def test_the_command_writes_results_and_json(trained, tmp_path, capsys):
    trained("a", "mha", 20.0, 200)
    expdir = trained("b", "mha", 21.0, 201)
    options = ["--expdir", str(expdir), "--task", "st", "--corpus", "must_c"]
    main([*options, "--out", str(tmp_path / "R.md")])
    text = (tmp_path / "R.md").read_text("utf-8")
    assert "- torch version: `" in text
    assert "| mha (st_b) |" in text  # two of one kind are told apart
    assert capsys.readouterr().out.strip() == text.strip()
    data = json.loads((tmp_path / "R.json").read_text("utf-8"))
    assert [r["seconds"] for r in data["tables"][0]["rows"]] == [20.0, 21.0]


def test_each_task_has_its_measure_and_the_paper_s_where_there_are_some(
    trained, tmp_path
):
    for name in ("ihm_dev", "ihm_eval"):
        trained("a", "mha", 20.0, 200, task="asr", test_set=name)
    trained("a", "mha", 20.0, 200)
    for corpus in ("ami", "librispeech"):
        out = tmp_path / f"{corpus}.md"
        options = ["--expdir", str(tmp_path), "--task", "asr", "--corpus", corpus]
        main([*options, "--out", str(out)])
        text = out.read_text("utf-8")
        assert "| decoder | params M | WER | time s |" in text and "BLEU" not in text
        assert "| mha | 1.23 | 3.46 | 20.0 | 1.00 | 200 | 90 | 1.00 |" in text
        # the paper's test set comes first, and its figures only with its corpus
        first = text.index("## ihm_eval") < text.index("## ihm_dev")
        assert first == ("| 12.98 | 1.00 | 1.00 |" in text) == (corpus == "ami")
        data = json.loads(out.with_suffix(".json").read_text("utf-8"))
        (row,) = data["tables"][0]["rows"]
        assert row["wer"] == 3.456
        assert row.get("paper_wer") == (12.98 if corpus == "ami" else None)


@pytest.mark.parametrize(
    ("task", "corpus", "column", "cells"),
    [
        ("slu", "slurp", "intent %", "| 95.50 |"),
        ("mt", "xsum", "ROUGE-L", "| 60.25 |"),
    ],
)
def test_understanding_and_summaries_have_theirs(trained, task, corpus, column, cells):
    for name in ("mha", "mtla"):
        expdir = trained(name, name, 10.0, 100, task=task, test_set="test")
    text, data = report(expdir, task, corpus)
    assert f"| {column} |" in text and f"| paper: {column} |" in text
    assert text.count(cells) == 2
    key = MEASURES[task].key
    paper = paper_figures(corpus, task)["rows"]
    rows = data["tables"][0]["rows"]
    assert [row[f"paper_{key}"] for row in rows] == [
        paper[name][key] for name in ("mha", "mtla s=2")
    ]


def test_nothing_scored_is_said(tmp_path):
    with pytest.raises(InputError, match="nothing scored yet; run stages 11 to 13"):
        find_trained(tmp_path, "st")


def test_a_broken_result_is_named(trained):
    expdir = trained("a", "mha", 20.0, 200)
    broken = next(expdir.rglob("result.json"))
    broken.write_text('{"bleu": ')
    with pytest.raises(InputError, match=r"result.json:1: not JSON"):
        find_trained(expdir, "st")
