"""Real runs of recipes: a corpus of 40 utterances, an epoch or two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


class RealRun:
    """A recipe run in folders of its own, on a corpus of a few utterances.

    Args:
        tmp: the folder.
        name: of the recipe.
        task: ESPnet's.
        config: of its training, a path under egs2.
        epochs: of training, instead of the configuration's.
        options: further ones, of all its runs.
    """

    def __init__(self, tmp, name: str, task: str, config: str, epochs: int, *options):
        self.tmp, self.dir = tmp, ROOT / "egs2" / name
        train = self._copied(ROOT / "egs2" / config, max_epoch=epochs)
        # a model that learnt nothing would talk on and on
        name = Path(config).name.replace("train_", "decode_")
        decode = self._copied(
            ROOT / "egs2" / config.replace(Path(config).name, name), maxlenratio=-12
        )
        self.options = ["--mini", "true", "--python", sys.executable, "--ngpu", "0"]
        for folder in ("data", "dump", "exp"):
            self.options += [f"--{folder}dir", f"{tmp}/{folder}"]
        self.options += [f"--{task}_config", train, "--inference_config", decode]
        self.options += [f"--{task}_tag", "tiny", *options]
        self.options += ["--num_train", "40", "--num_dev", "6", "--num_test", "12"]
        self.first = self()

    def _copied(self, path: Path, **changed) -> Path:
        conf = yaml.safe_load(path.read_text("utf-8"))
        copy = self.tmp / path.name
        copy.write_text(yaml.safe_dump(conf | changed))
        return copy

    def __call__(self, *options: str) -> str:
        """What a run prints; the first makes everything."""
        done = subprocess.run(
            [self.dir / "run.sh", *self.options, *options],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def real_run(tmp_path_factory):
    return lambda *how: RealRun(tmp_path_factory.mktemp("run"), *how)


@pytest.fixture(scope="module")
def recipe(real_run):
    config = "must_c/st1/conf/train_st_mini.yaml"
    options = ("--nbpe", "80", "--test_sets", "tst-COMMON.en-de")
    options += ("--pretrain_asr", "true")
    return real_run("must_c/st1", "st", config, 2, *options)


def decoded(tmp, name):
    folder = tmp / "exp/st_tiny" / name / "tst-COMMON.en-de"
    return {
        path: (folder / path).read_text("utf-8")
        for path in ("text", "1best_recog/token_int", "1best_recog/text")
    }


def rows_of(stdout):
    """The cells of each row of the one table, by the heads of their columns."""
    lines = [line for line in stdout.splitlines() if line.startswith("| ")]
    head, _, *rows = [line.strip("| ").split(" | ") for line in lines]
    return [dict(zip(head, row, strict=True)) for row in rows]


def row_of(stdout, label):
    """The cells of a variant's one row."""
    (row,) = rows_of(stdout)
    assert row["decoder"] == label
    return row


def papers(row):
    return {k.removeprefix("paper: "): v for k, v in row.items() if "paper: " in k}


def test_from_nothing_to_the_table(recipe):
    row = row_of(recipe.first, "mtla s=2")
    assert 0 <= float(row["BLEU"]) <= 100 and 0 <= float(row["chrF"]) <= 100
    assert float(row["TER"]) > 0
    assert float(row["time s"]) > 0 and float(row["peak MiB"]) > 0
    # (4 * 36 + 18) / 2 cached numbers a token and layer
    assert row["cache/token"] == "81"
    theirs = {"BLEU": "23.28", "time s": "65.6", "speed-up": "4.29"}
    theirs |= {"memory MiB": "2835", "reduction": "6.58"}
    assert papers(row) == theirs
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


def test_espnet_s_decoder_is_a_row_beside_ours(recipe):
    """Trained from the same encoder, at the same sizes."""
    options = ("--decoder", "transformer", "--st_tag", "stock")
    espnets, ours = rows_of(recipe(*options))
    assert (espnets["decoder"], ours["decoder"]) == ("transformer", "mtla s=2")
    assert 0 <= float(espnets["BLEU"]) <= 100
    assert float(espnets["params M"]) > float(ours["params M"])
    # keys and values of 144, of a token and of a frame
    assert espnets["cache/token"] == espnets["cache/frame"] == "288"
    conf = yaml.safe_load((recipe.tmp / "exp/st_stock/config.yaml").read_text())
    want = {"attention_heads": 4, "linear_units": 576, "num_blocks": 3}
    rates = ("", "positional_", "self_attention_", "src_attention_")
    want |= {f"{of}dropout_rate": 0.0 for of in rates}
    assert (conf["decoder"], conf["decoder_conf"]) == ("transformer", want)
    # decoded by ESPnet's search too: the same model's second row
    printed = recipe(*options, "--inference_args", "--search espnet")
    fast, searched, _ = rows_of(printed)
    assert fast == espnets
    assert searched["decoder"] == "transformer, ESPnet's search"
    assert searched["params M"] == fast["params M"]
    assert float(searched["BLEU"]) == pytest.approx(float(fast["BLEU"]), abs=1.0)


def test_recognition_from_nothing_to_the_table(real_run):
    config = "../conf/mini/train_asr_mini.yaml"
    options = ("--nbpe", "60", "--decoder", "mqa", "--decoder_args", "context=cross")
    options += ("--use_lm", "true", "--inference_tag", "fused")
    run = real_run("ami/asr1", "asr", config, 1, *options)
    row = row_of(run.first, "mqa, cross")
    assert float(row["WER"]) >= 0  # after one epoch it may well be above 100
    assert row["cache/token"] == "72"  # two times one head of 36
    out = run.tmp / "exp/asr_tiny/fused/ihm_eval"
    score = json.loads((out / "score_wer/result.json").read_text("utf-8"))
    assert {"wer", "cer", "ter"} <= score.keys() and score["sentences"] == 12
    assert score["wer"] == float(row["WER"])
    assert "stage 8: perplexity of ihm_eval: " in run.first
    assert "/ihm_eval|12|" in run.first  # ESPnet's table of errors


def test_understanding_from_nothing_to_the_table(real_run):
    config = "slurp/slu1/conf/train_slu_mini.yaml"
    options = ("--nbpe", "120", "--entities", "true", "--decoder", "mla")
    run = real_run("slurp/slu1", "slu", config, 1, *options)
    row = row_of(run.first, "mla")
    assert 0 <= float(row["intent %"]) <= 100
    assert row["cache/token"] == "162"  # 4 * 36 + 18
    out = run.tmp / "exp/slu_tiny/decode_slu_mini_slu_model_valid.acc.ave/test"
    score = json.loads((out / "score_slu/result.json").read_text("utf-8"))
    assert {"intent", "slu_f1", "wer"} <= score.keys()
    assert score["intent"] == float(row["intent %"])
    assert score["slu_f1"] == float(row["SLU-F1"])


def test_summaries_from_nothing_to_the_table(real_run):
    config = "xsum/sum1/conf/train_sum_mini.yaml"
    options = ["--nbpe", "120", "--max_units", "150", "--inference_tag", "short"]
    run = real_run("xsum/sum1", "mt", config, 1, *options)
    row = row_of(run.first, "mtla s=2")
    assert 0 <= float(row["R-L"]) <= 100
    assert row["cache/token"] == "81"
    theirs = {"R-1": "29.14", "R-2": "9.79", "R-L": "23.60", "time s": "105.2"}
    theirs |= {"speed-up": "3.35", "memory MiB": "2198", "reduction": "7.34"}
    assert papers(row) == theirs
    out = run.tmp / "exp/mt_tiny/short/test"
    cut = run.tmp / "dump/raw_nbpe120_max_units150/test"
    articles = (cut / "src_text").read_text().splitlines()
    hypotheses = (out / "text").read_text().splitlines()
    assert [line.split()[0] for line in hypotheses] == [a.split()[0] for a in articles]
    lengths = (cut / "src_text_shape").read_text().split()[1::2]
    cost = json.loads((out / "efficiency.json").read_text())
    assert cost["source_units"] == sum(map(int, lengths))
    assert max(map(int, lengths)) <= 150
