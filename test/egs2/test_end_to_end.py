"""Real runs: of speech translation, about two minutes on two cores, and of text."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EGS2 = Path(__file__).resolve().parents[2] / "egs2"


def run_recipe(name, tmp, *options):
    """Run a recipe on a tiny corpus, in folders of its own; what it prints."""
    done = subprocess.run(
        [EGS2 / name / "run.sh", "--mini", "true", "--python", sys.executable]
        + ["--ngpu", "0", "--datadir", f"{tmp}/data", "--dumpdir", f"{tmp}/dump"]
        + ["--expdir", f"{tmp}/exp", "--num_train", "60", "--num_dev", "6"]
        + ["--num_test", "12", *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Runs speech translation; the first run makes everything."""
    tmp = tmp_path_factory.mktemp("recipe")

    def run(*options):
        first = ["--nbpe", "90", "--test_sets", "tst-COMMON.en-de", "--st_tag", "tiny"]
        first += ["--st_args", "--max_epoch 2"]
        return run_recipe("must_c/st1", tmp, *first, *options)

    run.tmp, run.first = tmp, run()
    return run


def decoded(tmp, name):
    folder = tmp / "exp/st_tiny" / name / "tst-COMMON.en-de"
    return {
        path: (folder / path).read_text("utf-8")
        for path in ("text", "1best_recog/token_int", "1best_recog/text")
    }


def test_from_nothing_to_the_table(recipe):
    lines = recipe.first.splitlines()
    rows = [line for line in lines if line.startswith("| mtla s=2 | ")]
    assert len(rows) == 1, recipe.first
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert 0 <= float(cells[2]) <= 100  # BLEU
    assert float(cells[3]) > 0 and float(cells[5]) > 0  # seconds, peak memory
    assert cells[8] == "81"  # (4 * 36 + 18) / 2 cached numbers a token and layer
    assert cells[10:] == ["23.28", "4.29", "6.58"]  # the paper's
    assert (recipe.tmp / "exp/RESULTS.md").read_text("utf-8").strip() in recipe.first


def test_outputs_are_in_input_order_and_counted(recipe):
    folder = "decode_st_mini_st_model_valid.acc.ave"
    keys = [
        line.split()[0]
        for line in (recipe.tmp / "dump/raw/tst-COMMON.en-de/wav.scp").open()
    ]
    texts = decoded(recipe.tmp, folder)
    assert [line.split()[0] for line in texts["text"].splitlines()] == keys
    assert texts["text"] == texts["1best_recog/text"]
    out = recipe.tmp / "exp/st_tiny" / folder / "tst-COMMON.en-de"
    cost = json.loads((out / "efficiency.json").read_text())
    assert cost["utterances"] == len(keys) == 12
    assert cost["cache_bytes"] > 0
    assert cost["peak_memory"] >= cost["average_memory"] > 2**20


def test_hypotheses_do_not_depend_on_the_batch(recipe):
    """One by one, and with halves for want of room, as in batches of 16."""
    first = decoded(recipe.tmp, "decode_st_mini_st_model_valid.acc.ave")
    recipe("--batch_size", "1", "--inference_tag", "alone", "--stop_stage", "12")
    assert decoded(recipe.tmp, "alone") == first


def test_a_rerun_does_nothing_but_print(recipe):
    again = recipe()
    assert " ... (log:" not in again
    assert again.count("done already") >= 9
    assert "| mtla s=2 | " in again


def test_summaries_from_nothing_to_the_table(tmp_path):
    options = ["--nbpe", "120", "--max_units", "150", "--mt_tag", "tiny"]
    options += ["--mt_args", "--max_epoch 1", "--inference_args", "--maxlenratio -9"]
    options += ["--inference_tag", "short"]
    said = run_recipe("xsum/sum1", tmp_path, *options)
    (row,) = [line for line in said.splitlines() if line.startswith("| mtla s=2 | ")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert 0 <= float(cells[2]) <= 100  # ROUGE-L
    assert cells[8] == "81" and cells[10:] == ["23.60", "3.35", "7.34"]
    out = tmp_path / "exp/mt_tiny/short/test"
    articles = (tmp_path / "dump/raw/test/src_text").read_text().splitlines()
    hypotheses = (out / "text").read_text().splitlines()
    assert [line.split()[0] for line in hypotheses] == [a.split()[0] for a in articles]
    lengths = (tmp_path / "dump/raw/test/src_text_shape").read_text().split()[1::2]
    cost = json.loads((out / "efficiency.json").read_text())
    assert cost["source_units"] == sum(map(int, lengths))
    assert max(map(int, lengths)) <= 150
