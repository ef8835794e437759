"""Real runs of recipes: a corpus of 40 utterances, an epoch or two."""

import json

import pytest


@pytest.fixture(scope="module")
def recipe(real_run):
    config = "must_c/st1/conf/train_st_mini.yaml"
    sets = ("--test_sets", "tst-COMMON.en-de")
    return real_run("must_c/st1", "st", config, 2, "--nbpe", "80", *sets)


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
    assert 0 <= float(cells[1]) <= 100  # BLEU
    assert float(cells[4]) > 0 and float(cells[6]) > 0  # seconds, peak memory
    assert cells[8] == "81"  # (4 * 36 + 18) / 2 cached numbers a token and layer
    assert cells[10:] == ["23.28", "65.6", "4.29", "2835", "6.58"]  # the paper's
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


def test_recognition_from_nothing_to_the_table(real_run):
    config = "librispeech/asr1/conf/train_asr_mini.yaml"
    run = real_run("ami/asr1", "asr", config, 1, "--nbpe", "60", "--decoder", "mqa")
    (row,) = [line for line in run.first.splitlines() if line.startswith("| mqa ")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert float(cells[2]) >= 0  # WER: after one epoch it may well be above 100
    assert cells[8] == "72"  # two times one head of 36
    out = run.tmp / "exp/asr_tiny/decode_asr_mini_asr_model_valid.acc.ave/ihm_eval"
    score = json.loads((out / "score_wer/result.json").read_text("utf-8"))
    assert {"wer", "cer", "ter"} <= score.keys() and score["sentences"] == 12
    assert score["wer"] == float(cells[2])


def test_understanding_from_nothing_to_the_table(real_run):
    config = "slurp/slu1/conf/train_slu_mini.yaml"
    options = ("--nbpe", "120", "--entities", "true", "--decoder", "mla")
    run = real_run("slurp/slu1", "slu", config, 1, *options)
    (row,) = [line for line in run.first.splitlines() if line.startswith("| mla | ")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert 0 <= float(cells[2]) <= 100  # intents
    assert cells[8] == "162"  # 4 * 36 + 18
    out = run.tmp / "exp/slu_tiny/decode_slu_mini_slu_model_valid.acc.ave/test"
    score = json.loads((out / "score_slu/result.json").read_text("utf-8"))
    assert {"intent", "slu_f1", "wer"} <= score.keys()
    assert score["intent"] == float(cells[2])


def test_summaries_from_nothing_to_the_table(real_run):
    config = "xsum/sum1/conf/train_sum_mini.yaml"
    options = ["--nbpe", "120", "--max_units", "150", "--inference_tag", "short"]
    options += ["--inference_args", "--maxlenratio -9"]
    run = real_run("xsum/sum1", "mt", config, 1, *options)
    (row,) = [
        line for line in run.first.splitlines() if line.startswith("| mtla s=2 | ")
    ]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert 0 <= float(cells[2]) <= 100  # ROUGE-L
    assert cells[8] == "81" and cells[10:] == ["23.60", "3.35", "7.34"]
    out = run.tmp / "exp/mt_tiny/short/test"
    articles = (run.tmp / "dump/raw/test/src_text").read_text().splitlines()
    hypotheses = (out / "text").read_text().splitlines()
    assert [line.split()[0] for line in hypotheses] == [a.split()[0] for a in articles]
    lengths = (run.tmp / "dump/raw/test/src_text_shape").read_text().split()[1::2]
    cost = json.loads((out / "efficiency.json").read_text())
    assert cost["source_units"] == sum(map(int, lengths))
    assert max(map(int, lengths)) <= 150
