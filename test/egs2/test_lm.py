"""The language model: stages 6-8, and its part in decoding (see conftest.py)."""

import argparse
from pathlib import Path

import pytest
import torch
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
UNITS = "data/mini/token_list/bpe_unigram150"
STATS = "exp/mini/lm_stats_bpe_unigram150"
LM = "exp/mini/lm_train_lm_mini_bpe_unigram150"
DECODING = (
    "exp/mini/asr_train_asr_mini_mtla/decode_asr_mini"
    "_lm_train_lm_mini_bpe_unigram150_valid.loss.ave_asr_model_valid.acc.ave"
)
EVALUATION = ["asr_inference"] * 2 + ["score_asr"] * 2 + ["compare"]


@pytest.fixture
def librispeech(recipe_class, tmp_path):
    return recipe_class(tmp_path, "librispeech/asr1")


@pytest.fixture
def fused(librispeech):
    """The recipe, run with a language model."""
    librispeech.done = librispeech.ok("--use_lm", "true", "--ngpu", "0")
    return librispeech


def test_from_the_transcripts_to_decoding(fused):
    after_units = fused.commands[fused.commands.index("tokens") + 1 :]
    lm = ["lm_stats", "lm_stats", "lm_train", "lm_perplexity"]
    assert after_units == [*lm, "asr_train", *EVALUATION]
    units = f"--bpemodel {UNITS}/bpe.model --token_list {UNITS}/tokens.txt"
    for nth, (part, name) in enumerate(
        [("train", "train_clean_100"), ("valid", "dev_clean")]
    ):
        assert fused.call("lm_stats", nth) == (
            f"lm_stats --text data/mini/{name}/text {units} --out {STATS}/{part}"
        )
    assert fused.call("lm_train") == " ".join(
        ["lm_train --config ../../../conf/mini/train_lm_mini.yaml"]
        + [f"--token_list {UNITS}/tokens.txt --bpemodel {UNITS}/bpe.model"]
        + ["--token_type bpe"]
        + [
            f"--{part}_data_path_and_name_and_type {STATS}/{part}/text,text,text"
            f" --{part}_shape_file {STATS}/{part}/text_shape.bpe"
            for part in ("train", "valid")
        ]
        + [f"--output_dir {LM} --seed 1 --resume true --ngpu 0"]
    )
    assert fused.call("lm_perplexity") == (
        "lm_perplexity --data_path_and_name_and_type"
        " dump/mini/raw/test_clean/text,text,text"
        f" --train_config {LM}/config.yaml --model_file {LM}/valid.loss.ave.pth"
        f" --output_dir {LM}/perplexity_test_clean --ngpu 0"
    )
    assert "stage 8: perplexity of test_clean: 3.25 a unit\n" in fused.done.stdout
    for nth, name in enumerate(["test_clean", "test_other"]):
        assert fused.call("asr_inference", nth).endswith(
            f" --lm_train_config {LM}/config.yaml --lm_file {LM}/valid.loss.ave.pth"
            f" --output_dir {DECODING}/{name}"
        )


def test_without_it_nothing_of_it_runs(librispeech):
    done = librispeech.ok()
    assert not [c for c in librispeech.commands if c.startswith("lm_")]
    assert "--lm_" not in librispeech.call("asr_inference")
    assert "stages 6-8: language model: not asked for (--use_lm true)" in done.stdout
    librispeech.ok("--use_lm", "true")  # later: training is not done again
    lm = ["lm_stats", "lm_stats", "lm_train", "lm_perplexity"]
    assert librispeech.commands == [*lm, *EVALUATION]


def test_decoders_share_it(fused):
    fused.ok("--use_lm", "true")
    assert fused.calls == []
    fused.ok("--use_lm", "true", "--decoder", "mha")
    assert fused.commands == ["asr_train", *EVALUATION]


def test_further_text_makes_another_one(fused, tmp_path):
    more, dev = tmp_path / "more.txt.gz", tmp_path / "dev.txt"
    more.write_text("1")
    dev.write_text("2")
    given = ["--use_lm", "true", "--lm_train_text", more, "--lm_dev_text", dev]
    given += ["--lm_args", "--max_epoch 3", "--seed", "7", "--stop_stage", "8"]
    fused.ok(*given)
    assert fused.commands == ["lm_stats", "lm_stats", "lm_train", "lm_perplexity"]
    train, valid = fused.call("lm_stats", 0), fused.call("lm_stats", 1)
    stats = f"{STATS}_more.txt.gz"
    assert f"train_clean_100/text --lines {more} --bpemodel" in train
    assert train.endswith(f" --out {stats}/train")
    assert valid.startswith(f"lm_stats --lines {dev} --bpemodel")
    assert " --seed 7 --resume true --max_epoch 3 " in fused.call("lm_train")
    assert (
        " --output_dir exp/mini/lm_train_lm_mini_max_epoch_3_bpe_unigram150_more.txt.gz_seed7 "
        in fused.call("lm_train")
    )
    more.write_text("3")  # a changed text trains again, and keeps the old model
    done = fused.ok(*given)
    assert fused.commands == ["lm_stats", "lm_stats", "lm_train", "lm_perplexity"]
    assert "kept in exp/mini/.old/lm_train_lm_mini_max_epoch_3" in done.stdout


def test_what_depends_on_a_changed_file_is_done_again(fused):
    with open(fused.root / "conf/mini/train_lm_mini.yaml", "a") as f:
        f.write("grad_clip: 3\n")
    fused.ok("--use_lm", "true")
    assert fused.commands == ["lm_train", "lm_perplexity", *EVALUATION]
    with open(fused.dir / LM / "valid.loss.ave.pth", "a") as f:
        f.write("other")
    fused.ok("--use_lm", "true")
    assert fused.commands == ["lm_perplexity", *EVALUATION]


def test_a_training_cut_short_goes_on(librispeech):
    fault = librispeech.faults / "lm_train"
    fault.write_text(f"mkdir -p {LM}; echo half >{LM}/checkpoint.pth; kill -KILL $$")
    done = librispeech.run("--use_lm", "true")
    assert "stage 7 (training of the language model) failed: killed" in done.stderr
    fault.unlink()
    librispeech.ok("--use_lm", "true")
    assert (librispeech.dir / LM / "checkpoint.pth").read_text() == "half\ntrained\n"


def test_a_tag_and_a_model_of_its_own(librispeech):
    given = ["--lm_tag", "mine", "--inference_lm", "valid.loss.best.pth"]
    librispeech.ok("--use_lm", "true", *given)
    assert " --output_dir exp/mini/lm_mine " in librispeech.call("lm_train")
    assert "_lm_mine_valid.loss.best_asr_model_" in librispeech.call("asr_inference")


def test_decoding_without_weight_is_refused_before_any_work(librispeech, tmp_path):
    refusal = (
        "run.sh: --use_lm true, but decoding gives it no weight:"
        ' add --inference_args "--lm_weight 0.3"'
    )
    lm = ["--use_lm", "true"]
    config = librispeech.root / "conf/mini/decode_asr_mini.yaml"
    config.write_text("beam_size: 5\nlm_weight: 0.0  # none\n")
    assert librispeech.refused(*lm) == refusal
    librispeech.ok(*lm, "--stop_stage", "8")
    librispeech.ok(*lm, "--inference_args", "--beam_size 3 --lm_weight 0.25")
    config.write_text("lm_weight: 0.5\n")
    refused = librispeech.refused(*lm, "--inference_args", "--lm_weight=0")
    assert refused == refusal


def test_speed_perturbation_does_not_repeat_its_texts(librispeech):
    speeds = ["--speed_perturb_factors", "0.9 1.0", "--stop_stage", "6"]
    librispeech.ok("--use_lm", "true", *speeds)
    assert " --text data/mini/train_clean_100/text " in librispeech.call("lm_stats")


def test_the_target_text_of_translation(recipe):
    recipe.ok("--use_lm", "true", "--inference_args", "--lm_weight 0.2")
    units = "data/mini/en-de_token_list/tgt_bpe_unigram300_tc_de"
    assert recipe.call("lm_stats").startswith(
        f"lm_stats --text data/mini/train.en-de/text.tc.de --bpemodel {units}/bpe.model"
    )
    assert "raw/tst-COMMON.en-de/text.tc.de,text,text" in recipe.call("lm_perplexity")
    assert "--lm_file exp/mini/lm_train_lm_mini_tgt" in recipe.call("st_inference")


def test_the_summaries(recipe_class, tmp_path):
    xsum = recipe_class(tmp_path, "xsum/sum1")
    given = ["--use_lm", "true", "--inference_args", "--lm_weight 0.2"]
    xsum.ok(*given)
    assert xsum.call("lm_stats").startswith("lm_stats --text data/mini/train/text ")
    assert "dump/mini/raw/test/text,text,text" in xsum.call("lm_perplexity")
    assert "_bpe_bpe600/valid.loss.ave.pth" in xsum.call("mt_inference")
    (xsum.dir / "dump/mini/raw/test/text").write_text("a another text\n")
    xsum.ok(*given, "--skip_data_prep", "true", "--stop_stage", "8")
    assert xsum.commands == ["lm_perplexity"]


@pytest.mark.parametrize(
    ("name", "units", "millions"),
    [("train_lm_transformer.yaml", 5000, 53.7), ("mini/train_lm_mini.yaml", 150, 0.3)],
)
def test_the_model_that_a_configuration_builds(name, units, millions):
    from espnet_mtla.compat import task_class

    given = yaml.safe_load((CONF / name).read_text("utf-8"))
    known = task_class("lm").get_default_config()
    assert given.keys() <= known.keys()
    conf = known | given | {"token_list": [f"t{i}" for i in range(units)]}
    with torch.device("meta"):
        model = task_class("lm").build_model(argparse.Namespace(**conf))
    size = sum(p.numel() for p in model.parameters()) / 1e6
    assert size == pytest.approx(millions, abs=0.05)
