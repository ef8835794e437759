"""The comparison table: found, ordered, compared only with its equals."""

import json

import pytest
import yaml

from espnet_mtla.bin.compare import main, report
from espnet_mtla.errors import InputError
from espnet_mtla.scoring.table import comparison, markdown
from espnet_mtla.scoring.trained import find_trained

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
        **cost,
    ):
        folder = tmp_path / f"st_{tag}" / decoding / "tst-COMMON.en-de"
        (folder / "score_bleu").mkdir(parents=True)
        conf = {"decoder": decoder, "decoder_conf": options or {}, "seed": seed}
        (folder / "../../config.yaml").write_text(yaml.safe_dump(conf))
        spent = COST | {"seconds": seconds, "average_memory": memory * 2**20} | cost
        (folder / "efficiency.json").write_text(json.dumps(spent))
        score = {"bleu": 80.0, "signature": "sig"}
        (folder / "score_bleu/result.json").write_text(json.dumps(score))
        return tmp_path

    return add


def test_rows_are_ordered_and_compared_with_mha(trained):
    trained("b", "mtla", 5.0, 50, options={"temporal_stride": 4})
    trained("a", "mtla", 10.0, 100)
    trained("c", "mha", 20.0, 200)
    expdir = trained("d", "gqa", 8.0, 120)
    rows = find_trained(expdir, "st", "score_bleu")
    assert [r.label for r in rows] == ["mha", "gqa", "mtla s=2", "mtla s=4"]
    table = comparison(rows, "st")
    assert [r["speedup"] for r in table] == [1.0, 2.5, 2.0, 4.0]
    assert [r["reduction"] for r in table] == [1.0, 1.67, 2.0, 4.0]
    assert [r["paper_speedup"] for r in table] == [1.0, 1.48, 4.29, 5.78]
    assert "| mtla s=2 | 1.23 | 80.00 | 10.0 | 2.00 | 100 | 90 | 2.00 |" in markdown(
        table
    )


def test_only_what_was_trained_alike_is_compared(trained):
    """A second MHA of other sizes is nobody's baseline but its own."""
    trained("a", "mha", 20.0, 200)
    trained("b", "mha", 80.0, 800, seed=7)
    trained("c", "mla", 20.0, 200, seed=7)
    expdir = trained("d", "mla", 10.0, 100, seed=9)
    table = comparison(find_trained(expdir, "st", "score_bleu"), "st")
    assert [r["speedup"] for r in table] == [1.0, 1.0, 4.0, None]
    assert "| mla (st_d) | 1.23 | 80.00 | 10.0 | - | 100 | 90 | - |" in markdown(table)


def test_each_setting_has_a_table_of_its_own(trained):
    trained("a", "mha", 20.0, 200)
    trained("a", "mha", 40.0, 200, decoding="wide", beam_size=50)
    expdir = trained("b", "mla", 10.0, 100, decoding="gpu", device="NVIDIA H200")
    text, data = report(expdir, "st")
    assert [len(table["rows"]) for table in data["tables"]] == [1, 1, 1]
    assert [table["rows"][0]["speedup"] for table in data["tables"]] == [1.0, None, 1.0]
    assert "beam 50" in text and "NVIDIA H200" in text


def test_the_command_writes_results_and_json(trained, tmp_path, capsys):
    trained("a", "mha", 20.0, 200)
    expdir = trained("b", "mha", 21.0, 201)
    main(["--expdir", str(expdir), "--task", "st", "--out", str(tmp_path / "R.md")])
    text = (tmp_path / "R.md").read_text("utf-8")
    assert "- torch version: `" in text
    assert "| mha (st_b) |" in text  # two of one kind are told apart
    assert capsys.readouterr().out.strip() == text.strip()
    data = json.loads((tmp_path / "R.json").read_text("utf-8"))
    assert [r["seconds"] for r in data["tables"][0]["rows"]] == [20.0, 21.0]


def test_nothing_scored_is_said(tmp_path):
    with pytest.raises(InputError, match="nothing scored yet; run stages 11 to 13"):
        find_trained(tmp_path, "st", "score_bleu")


def test_a_broken_result_is_named(trained):
    expdir = trained("a", "mha", 20.0, 200)
    broken = next(expdir.rglob("result.json"))
    broken.write_text('{"bleu": ')
    with pytest.raises(InputError, match=r"result.json:1: not JSON"):
        find_trained(expdir, "st", "score_bleu")
