"""What is refused before a recipe's first stage."""

import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from espnet_mtla.bin.check_recipe import main
from espnet_mtla.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = sorted((ROOT / "egs2").glob("*/*/conf/train_[!l]*.yaml"))  # no LMs
CONFIGS += sorted((ROOT / "conf").glob("mini/train_[!l]*.yaml"))
FRAGMENTS = sorted((ROOT / "conf/decoder").glob("*.yaml"))


MTLA = ROOT / "conf/decoder/mtla.yaml"
TRANSFORMER = ROOT / "conf/decoder/transformer.yaml"
MINI = ROOT / "egs2/must_c/st1/conf/train_st_mini.yaml"


DECODING = MINI.with_name("decode_st_mini.yaml")


def check(config, fragment, *given, task="st", decoding=DECODING):
    configs = [f"--config={config}", f"--config={fragment}"]
    main([f"--task={task}", *configs, f"--inference_config={decoding}", *given])


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda p: p.stem)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda p: p.stem)
def test_every_configuration_takes_every_decoder(config, fragment, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3prl", s3prl := ModuleType("s3prl"))
    s3prl.__spec__ = ModuleSpec("s3prl", None)
    check(config, fragment)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("temporal_strid=4", "did you mean 'temporal_stride'"),
        ("temporal_stride=0", "temporal_stride=0"),
        ("attention_heads=5", "give a divisor of the width 144"),
    ],
)
def test_bad_options_of_the_decoder_are_named(given, words):
    check(MINI, MTLA, "--decoder_conf", "temporal_stride=4")
    with pytest.raises(InputError, match=words):
        check(MINI, MTLA, "--decoder_conf", given)


OWN = "decoder transformer is ESPnet's own and has no option "


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("context=cross", f"{OWN}'context'; it has attention_heads, linear_units, "),
        ("temporal_stride=4", f"{OWN}'temporal_stride'; it has attention_heads, "),
        ("qk_nrom=true", f"{OWN}'qk_nrom' (did you mean 'qk_norm'?); it has"),
        ("num_blocks=0", "num_blocks=0: give an integer of at least 1"),
        ("attention_heads=5", "give a divisor of the width 144"),
        ("src_attention_dropout_rate=1.5", "give a number, 0 <= rate < 1"),
        (
            "normalize_before=never",
            'decoder transformer cannot be built: argument "norm',
        ),
        ("input_layer=conv", "only 'embed' or 'linear' is supported: conv"),
        ("linear_units=100000000000", "decoder transformer: its weights would take"),
    ],
)
def test_bad_options_of_espnet_s_decoder_are_named(given, words):
    for good in (
        "normalize_before=false",
        "positional_dropout_rate=0.2",
        "qk_norm=true",
    ):
        check(MINI, TRANSFORMER, "--decoder_conf", good)
    with pytest.raises(InputError, match=re.escape(words)) as refused:
        check(MINI, TRANSFORMER, "--decoder_conf", given)
    assert "\n" not in str(refused.value)


def test_espnet_s_decoder_is_built_on_trial():
    check(
        MINI, TRANSFORMER, "--build", "--decoder_conf", "src_attention_dropout_rate=0"
    )


def test_a_front_end_without_its_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3prl", None)
    check(ROOT / "egs2/ami/asr1/conf/train_asr.yaml", MTLA)
    with pytest.raises(InputError, match="s3prl.* -m pip install espnet-s3prl$"):
        check(ROOT / "egs2/ami/asr1/conf/train_asr_wavlm.yaml", MTLA)


def test_a_language_whose_tokeniser_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "MeCab", None)
    monkeypatch.delitem(
        sys.modules, "sacrebleu.tokenizers.tokenizer_ja_mecab", raising=False
    )
    check(MINI, MTLA, "--tgt_lang", "zh")
    with pytest.raises(InputError, match=r"BLEU of ja: .*pip install sacrebleu\[ja\]$"):
        check(MINI, MTLA, "--tgt_lang", "ja")


@pytest.mark.parametrize(
    ("option", "good", "bad", "words"),
    [
        (
            "train",
            "--max_epoch 3",
            "--max_epok 3",
            "--st_args: .*--max_epok .*'max_epoch'",
        ),
        ("train", "--accum_grad 2", "--max_epoch x", "--st_args: .*max_epoch.*'x'"),
        (
            "inference",
            "--batch_frames 9",
            "--beem_size 3",
            "--inference_args: .*--beem",
        ),
        (
            "inference",
            "--batch_frames 9x5",
            "--batch_frames 9x",
            "--inference_args: .*batch_frames: 9x: give FRAMES",
        ),
        ("inference", "--nbest 2", "--beam 3", "--inference_args: .*--beam 3"),
        ("inference", "--beam_size 3", "--nbest x", "--inference_args: .*nbest.*'x'"),
    ],
)
def test_bad_options_of_espnet_are_named(option, good, bad, words):
    check(MINI, MTLA, f"--{option}_args={good}")
    with pytest.raises(InputError, match=words):
        check(MINI, MTLA, f"--{option}_args={bad}")


NUMBERS = [
    ("--max_epoch 0", "--st_args: max_epoch 0: give an integer of at least 1"),
    ("--max_epoch=-1", "--st_args: max_epoch -1: give"),
    ("--keep_nbest_models 3 0", "--st_args: keep_nbest_models 0: give an integer of"),
    (
        "--optim_conf lr=1e-3",
        "--st_args: optim_conf lr: 1e-3 is text to YAML; write 0.001",
    ),
    ("--optim_conf lr=abc", "--st_args: optim_conf lr 'abc': give a number"),
    ("--optim_conf l=1", "--st_args: optim_conf l: adam has lr, betas"),
    (
        "--model_conf asr_weight=1.5",
        "--st_args: model_conf asr_weight 1.5: give a numb",
    ),
    ("--model_conf lsm_weight=.nan", "--st_args: model_conf lsm_weight nan: give a nu"),
    ("--batch_bins 1.5", "--st_args: batch_bins 1.5: give an integer"),
    ("--batch_bins true", "--st_args: batch_bins True: give an integer"),
    (
        "--output_dir /tmp/x",
        "--st_args: leave out --output_dir, run.sh gives it itself",
    ),
    ("--seed 3", "--st_args: leave out --seed"),
]


@pytest.mark.parametrize(("given", "words"), NUMBERS)
def test_numbers_that_no_training_can_begin_with_are_refused(given, words):
    with pytest.raises(InputError, match=re.escape(words)):
        check(MINI, MTLA, f"--train_args={given}")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            "--beam_size 0",
            "--inference_args: beam_size 0: give an integer from 1 to 1000",
        ),
        ("--beam_size 100000", "--inference_args: beam_size 100000: give"),
        ("--nbest -1", "--inference_args: nbest -1: give"),
        (
            "--ctc_weight 1.5",
            "--inference_args: ctc_weight 1.5: give a number from 0 to 1",
        ),
        (
            "--ctc_weight 0.3",
            "ctc_weight 0.3: the model has no CTC for its text: give 0",
        ),
        ("--lm_weight -0.5", "--inference_args: lm_weight -0.5: give a number from 0"),
        ("--penalty nan", "--inference_args: penalty 'nan': give a number"),
        ("--maxlenratio .inf", "--inference_args: maxlenratio inf: give a number"),
        ("--output_dir /tmp/x", "--inference_args: leave out --output_dir"),
        ("--st_model_file x.pth", "--inference_args: leave out --st_model_file"),
    ],
)
def test_numbers_that_no_search_can_begin_with_are_refused(given, words):
    with pytest.raises(InputError, match=re.escape(words)):
        check(MINI, MTLA, f"--inference_args={given}")


def test_numbers_of_files_are_refused_with_the_file(tmp_path):
    conf = tmp_path / "mine.yaml"
    conf.write_text(MINI.read_text().replace("lr: 0.001", "lr: 1e-3"))
    with pytest.raises(
        InputError, match=r"mine\.yaml, .*mtla\.yaml: optim_conf lr: 1e-3"
    ):
        check(conf, MTLA)
    conf.write_text(DECODING.read_text().replace("beam_size: 5", "beam_size: 0"))
    with pytest.raises(InputError, match=r"/mine\.yaml: beam_size 0: give an integer"):
        check(MINI, MTLA, decoding=conf)
    conf.write_text("max_epoch: 0\n")
    with pytest.raises(InputError, match=r"/mine\.yaml: max_epoch 0: give an integer"):
        check(MINI, MTLA, f"--lm_config={conf}")


def test_a_search_with_ctc_needs_a_model_that_has_one():
    recipe = ROOT / "conf/mini"
    files = {"config": recipe / "train_asr_mini.yaml", "fragment": MTLA}
    given = {"task": "asr", "decoding": recipe / "decode_asr_mini.yaml"}
    check(**files, **given)
    with pytest.raises(InputError, match=r"ctc_weight 0.3: the model has no CTC"):
        main_given = "--train_args=--model_conf ctc_weight=0.0"
        check(*files.values(), main_given, **given)


def test_a_decoder_larger_than_the_machine_is_refused():
    with pytest.raises(
        InputError, match=r"decoder mtla: its weights would take \d+ GiB"
    ):
        check(MINI, MTLA, "--decoder_conf", "linear_units=100000000000")
