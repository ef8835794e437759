"""What the driver does for speech recognition (see conftest.py)."""

import pytest

EXP = "exp/mini/asr_train_asr_mini_mtla"
DECODING = f"{EXP}/decode_asr_mini_asr_model_valid.acc.ave"


@pytest.fixture
def librispeech(recipe_class, tmp_path):
    return recipe_class(tmp_path, "librispeech/asr1")


def test_one_text_from_corpus_to_wer(librispeech):
    librispeech.ok("--ngpu", "0")
    assert librispeech.commands == (
        ["make_mini", "prepare_librispeech"]
        + ["format_wav_scp"] * 4
        + ["filter_data"] * 2
        + ["tokens", "asr_train"]
        + ["asr_inference"] * 2
        + ["score_asr"] * 2
        + ["compare"]
    )
    assert librispeech.call("prepare_librispeech") == (
        "prepare_librispeech --corpus data/mini/downloads/LibriSpeech --out data/mini"
    )
    units = "data/mini/token_list/bpe_unigram150"
    train, dev = "dump/mini/raw/train_clean_100", "dump/mini/raw/dev_clean"
    assert librispeech.call("tokens") == (
        f"tokens --text {train}/text --nbpe 150 --bpemode unigram --out {units}"
    )
    assert librispeech.call("asr_train") == " ".join(
        ["asr_train --config ../../../conf/mini/train_asr_mini.yaml"]
        + ["--config ../../../conf/decoder/mtla.yaml"]
        + [f"--token_list {units}/tokens.txt --bpemodel {units}/bpe.model"]
        + ["--token_type bpe"]
        + [
            f"--{part}_data_path_and_name_and_type {data}/wav.scp,speech,sound"
            f" --{part}_shape_file {data}/utt2num_samples"
            f" --{part}_data_path_and_name_and_type {data}/text,text,text"
            for part, data in (("train", train), ("valid", dev))
        ]
        + [
            f"--normalize utterance_mvn --frontend_conf fs=16000 --output_dir {EXP} --seed 1 --resume true"
        ]
        + ["--ngpu 0"]
    )
    test = "dump/mini/raw/test_clean"
    assert librispeech.call("score_asr") == (
        f"score_asr --ref {test}/text --hyp {DECODING}/test_clean/text"
        f" --bpemodel {units}/bpe.model --out {DECODING}/test_clean/score_wer"
    )
    assert librispeech.call("compare") == (
        "compare exp/mini --corpus librispeech --out exp/mini/RESULTS.md"
    )


def test_the_real_corpus_is_perturbed_in_speed(librispeech, tmp_path):
    corpus = tmp_path / "LibriSpeech"
    corpus.mkdir()
    librispeech.ok("--librispeech", corpus, mini=False)
    assert librispeech.call("prepare_librispeech") == (
        f"prepare_librispeech --corpus {corpus} --out data"
    )
    assert librispeech.call("perturb_speed") == (
        "perturb_speed --data data/train_960 --factors 0.9 1.0 1.1"
        " --out data/train_960_sp"
    )
    assert librispeech.call("format_wav_scp").startswith(
        "format_wav_scp --data data/train_960_sp --out dump/raw/org/train_960_sp --fs"
    )
    train = librispeech.call("asr_train")
    assert "dump/raw/train_960_sp/wav.scp" in train and "raw/dev/wav.scp" in train
    assert "--config conf/train_asr_conformer.yaml" in train


def test_other_speeds_redo_what_depends_on_them(librispeech):
    librispeech.ok()
    librispeech.ok("--speed_perturb_factors", "0.9 1.0", "--stop_stage", "10")
    assert librispeech.commands == [
        "perturb_speed",
        "format_wav_scp",
        "filter_data",
        "tokens",
    ]
    librispeech.ok("--speed_perturb_factors", "1.0 1.1", "--stop_stage", "3")
    assert librispeech.commands == ["perturb_speed", "format_wav_scp"]
    assert librispeech.refused("--speed_perturb_factors", "0.9 fast") == (
        "run.sh: --speed_perturb_factors: 'fast' is not a number"
    )


def test_the_english_side_of_must_c(recipe_class, tmp_path):
    must_c = recipe_class(tmp_path, "must_c/asr1")
    must_c.ok()
    assert must_c.call("prepare_must_c") == (
        "prepare_must_c --corpus data/mini/downloads/MUSTC_v1.0 --tgt_lang de"
        " --out data/mini"
    )
    text = "dump/mini/raw/train.en-de/text.lc.rm.en"
    assert must_c.call("tokens").startswith(f"tokens --text {text} --nbpe 150 ")
    assert f" {text},text,text " in must_c.call("asr_train")
    assert "--config ../../../conf/mini/" in must_c.call("asr_train")
    ref = "dump/mini/raw/tst-HE.en-de/text.lc.rm.en"
    assert must_c.call("score_asr", 1).startswith(f"score_asr --ref {ref} --hyp {EXP}")


def test_ami(recipe_class, tmp_path):
    ami = recipe_class(tmp_path, "ami/asr1")
    ami.ok()
    assert ami.call("prepare_ami") == (
        "prepare_ami --corpus data/mini/downloads/ami --out data/mini"
    )
    assert "--nbpe 100 --bpemode bpe " in ami.call("tokens")
    assert "raw/ihm_dev/text,text,text" in ami.call("asr_train")
    assert ami.commands.count("asr_inference") == 1
    assert "--corpus ami --out" in ami.call("compare")


def test_a_set_that_validates_is_tested_unfiltered(recipe_class, tmp_path):
    """AMI's ihm_dev, and what a rerun does with it."""
    ami, corpus = recipe_class(tmp_path, "ami/asr1"), tmp_path / "ami"
    corpus.mkdir()
    ami.ok("--ami", corpus, mini=False)
    assert ami.commands.count("format_wav_scp") == 3
    assert "dump/raw/ihm_dev/text,text,text" in ami.call("asr_train")
    test = ami.call("asr_inference", 1)
    assert " dump/raw/org/ihm_dev/wav.scp,speech,sound " in test
    assert " --ref dump/raw/org/ihm_dev/text " in ami.call("score_asr", 1)
    ami.ok("--ami", corpus, mini=False)
    assert ami.calls == []
