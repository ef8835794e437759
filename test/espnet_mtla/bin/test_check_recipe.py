"""What is refused before a recipe's first stage."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from espnet_mtla.bin.check_recipe import main
from espnet_mtla.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = sorted((ROOT / "egs2").glob("*/*/conf/train_[!l]*.yaml"))  # no LMs
FRAGMENTS = sorted((ROOT / "conf/decoder").glob("*.yaml"))


MTLA = ROOT / "conf/decoder/mtla.yaml"
MINI = ROOT / "egs2/must_c/st1/conf/train_st_mini.yaml"


def check(config, fragment, *given):
    main(["--task", "st", "--config", str(config), "--config", str(fragment), *given])


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
        ("train", "--max_epoch 3", "--max_epok 3", "--st_args: .*--max_epok"),
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
