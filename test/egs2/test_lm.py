"""The language model: stages 6-8, and its part in decoding (see conftest.py)."""

import pytest

UNITS = "data/mini/token_list/bpe_unigram150"
STATS = "exp/mini/lm_stats_bpe_unigram150"
LM = "exp/mini/lm_train_lm_mini_bpe_unigram150"
DECODING = (
    "exp/mini/asr_train_asr_mini_mtla/decode_asr_mini"
    "_lm_train_lm_mini_bpe_unigram150_valid.loss.ave_asr_model_valid.acc.ave"
)


@pytest.fixture
def fused(plan):
    """The plan of a recipe with a language model."""
    return lambda *more, of="librispeech/asr1": plan(of, "--use_lm", "true", *more)


def test_from_the_transcripts_to_decoding(fused):
    planned = fused("--ngpu", "0")
    commands = planned.commands
    assert commands[commands.index("lm_stats") : commands.index("asr_inference")] == (
        ["lm_stats", "lm_stats", "lm_train", "lm_perplexity", "asr_train"]
    )
    units = f"--bpemodel {UNITS}/bpe.model --token_list {UNITS}/tokens.txt"
    data = "--{0}_data_path_and_name_and_type {1}/{0}/text,text,text"
    data += " --{0}_shape_file {1}/{0}/text_shape.bpe"
    for call in (
        f"lm_stats --text data/mini/train_clean_100/text {units} --out {STATS}/train",
        f"lm_stats --text data/mini/dev_clean/text {units} --out {STATS}/valid",
        (
            "lm_train --config ../../../conf/mini/train_lm_mini.yaml"
            f" --token_list {UNITS}/tokens.txt --bpemodel {UNITS}/bpe.model --token_type bpe"
            f" {data.format('train', STATS)} {data.format('valid', STATS)}"
            f" --output_dir {LM} --seed 1 --resume true --ngpu 0"
        ),
        (
            "lm_perplexity --data_path_and_name_and_type"
            " dump/mini/raw/test_clean/text,text,text"
            f" --train_config {LM}/config.yaml --model_file {LM}/valid.loss.ave.pth"
            f" --output_dir {LM}/perplexity_test_clean --ngpu 0"
        ),
    ):
        assert call in planned.calls
    training, perplexity = planned.unit("7"), planned.unit("8.test_clean")
    assert training.trains and training.title == "training of the language model"
    assert perplexity.words["shows"] == [
        *perplexity.makes,
        "stage 8: perplexity of test_clean: {} a unit",
    ]
    for nth, name in enumerate(["test_clean", "test_other"]):
        assert planned.call("asr_inference", nth).endswith(
            f" --lm_train_config {LM}/config.yaml --lm_file {LM}/valid.loss.ave.pth"
            f" --output_dir {DECODING}/{name}"
        )
    model = ["inference_lm", LM, "valid.loss.ave.pth"]
    assert perplexity.words["model"] == model
    assert planned.unit("12.test_clean").words["model"][3:] == model


def test_without_it_nothing_of_it_is_planned(plan):
    planned = plan("librispeech/asr1")
    assert not [call for call in planned.calls if "lm_" in call]
    assert ("6-8", "language model: not asked for (--use_lm true)") in planned.notes


def test_further_text_makes_another_one(fused, tmp_path):
    more, dev = tmp_path / "more.txt.gz", tmp_path / "dev.txt"
    more.touch()
    dev.touch()
    given = ["--lm_train_text", str(more), "--lm_dev_text", str(dev), "--seed", "7"]
    planned = fused(*given, "--lm_args", "--max_epoch 3")
    train, valid = planned.call("lm_stats", 0), planned.call("lm_stats", 1)
    assert f"train_clean_100/text --lines {more} --bpemodel" in train
    assert train.endswith(f" --out {STATS}_more.txt.gz/train")
    assert valid.startswith(f"lm_stats --lines {dev} --bpemodel")
    assert {str(more), str(dev)} < set(planned.unit("6").reads)
    tag = "lm_train_lm_mini_max_epoch_3_bpe_unigram150_more.txt.gz_seed7"
    train = planned.call("lm_train")
    assert (
        f" --output_dir exp/mini/{tag} --seed 7 --resume true --max_epoch 3 " in train
    )


def test_a_tag_and_a_model_of_its_own(fused):
    planned = fused("--lm_tag", "mine", "--inference_lm", "valid.loss.best.pth")
    assert " --output_dir exp/mini/lm_mine " in planned.call("lm_train")
    assert "_lm_mine_valid.loss.best_asr_model_" in planned.call("asr_inference")


def test_speed_perturbation_does_not_repeat_its_texts(fused):
    planned = fused("--speed_perturb_factors", "0.9 1.0")
    assert " --text data/mini/train_clean_100/text " in planned.call("lm_stats")


def test_the_target_text_of_translation(fused):
    planned = fused("--inference_args", "--lm_weight 0.2", of="must_c/st1")
    units = "data/mini/en-de_token_list/tgt_bpe_unigram300_tc_de"
    assert planned.call("lm_stats").startswith(
        f"lm_stats --text data/mini/train.en-de/text.tc.de --bpemodel {units}/bpe.model"
    )
    assert "raw/tst-COMMON.en-de/text.tc.de,text,text" in planned.call("lm_perplexity")
    assert "--lm_file exp/mini/lm_train_lm_mini_tgt" in planned.call("st_inference")


def test_the_summaries(fused):
    planned = fused("--inference_args", "--lm_weight 0.2", of="xsum/sum1")
    assert planned.call("lm_stats").startswith("lm_stats --text data/mini/train/text ")
    assert "dump/mini/raw/test/text,text,text" in planned.call("lm_perplexity")
    assert "_bpe_bpe600/valid.loss.ave.pth" in planned.call("mt_inference")
