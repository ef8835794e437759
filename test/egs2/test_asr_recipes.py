"""What the recipes of speech recognition are planned to run (see conftest.py)."""

EXP = "exp/mini/asr_train_asr_mini_mtla"
DECODING = f"{EXP}/decode_asr_mini_asr_model_valid.acc.ave"


def test_one_text_from_corpus_to_wer(plan):
    planned = plan("librispeech/asr1", "--ngpu", "0")
    assert planned.commands == (
        ["make_mini", "prepare_librispeech"]
        + ["format_wav_scp"] * 4
        + ["filter_data"] * 2
        + ["tokens", "asr_train"]
        + ["asr_inference"] * 2
        + ["score_asr"] * 2
        + ["compare"]
    )
    assert planned.call("prepare_librispeech") == (
        "prepare_librispeech --corpus data/mini/downloads/LibriSpeech --out data/mini"
    )
    units = "data/mini/token_list/bpe_unigram150"
    train, dev = "dump/mini/raw/train_clean_100", "dump/mini/raw/dev_clean"
    assert planned.call("tokens") == (
        f"tokens --text {train}/text --nbpe 150 --bpemode unigram --out {units}"
    )
    assert planned.call("asr_train") == " ".join(
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
        + ["--normalize utterance_mvn --frontend_conf fs=16000"]
        + [f"--output_dir {EXP} --seed 1 --resume true --ngpu 0"]
    )
    test = "dump/mini/raw/test_clean"
    assert planned.call("score_asr") == (
        f"score_asr --ref {test}/text --hyp {DECODING}/test_clean/text"
        f" --bpemodel {units}/bpe.model --out {DECODING}/test_clean/score_wer"
    )
    assert planned.call("compare") == (
        "compare exp/mini --corpus librispeech --out exp/mini/RESULTS.md"
    )


def test_the_real_corpus_is_perturbed_in_speed(plan, corpus):
    planned = plan("librispeech/asr1", "--librispeech", corpus, mini=False)
    assert planned.calls[0] == f"prepare_librispeech --corpus {corpus} --out data"
    perturbed = "--factors 0.9 1.0 1.1 --out data/train_960_sp"
    assert planned.call("perturb_speed") == (
        f"perturb_speed --data data/train_960 {perturbed}"
    )
    formatted = planned.call("format_wav_scp")
    assert "--data data/train_960_sp --out dump/raw/org/train_960_sp --fs" in formatted
    train = planned.call("asr_train")
    assert "dump/raw/train_960_sp/wav.scp" in train and "raw/dev/wav.scp" in train
    assert "--config conf/train_asr_conformer.yaml" in train


def test_the_english_side_of_must_c(plan):
    planned = plan("must_c/asr1")
    assert planned.call("prepare_must_c") == (
        "prepare_must_c --corpus data/mini/downloads/MUSTC_v1.0 --tgt_lang de"
        " --out data/mini"
    )
    text = "dump/mini/raw/train.en-de/text.lc.rm.en"
    assert planned.call("tokens").startswith(f"tokens --text {text} --nbpe 150 ")
    assert f" {text},text,text " in planned.call("asr_train")
    assert "--config ../../../conf/mini/" in planned.call("asr_train")
    ref = "dump/mini/raw/tst-HE.en-de/text.lc.rm.en"
    assert planned.call("score_asr", 1).startswith(f"score_asr --ref {ref} --hyp {EXP}")


def test_ami(plan):
    planned = plan("ami/asr1")
    assert planned.call("prepare_ami") == (
        "prepare_ami --corpus data/mini/downloads/ami --out data/mini"
    )
    assert "--nbpe 100 --bpemode bpe " in planned.call("tokens")
    assert "raw/ihm_dev/text,text,text" in planned.call("asr_train")
    assert planned.commands.count("asr_inference") == 1
    assert "--corpus ami --out" in planned.call("compare")


def test_a_set_that_validates_is_tested_unfiltered(plan, corpus):
    planned = plan("ami/asr1", "--ami", corpus, mini=False)
    assert planned.commands.count("format_wav_scp") == 3
    assert "dump/raw/ihm_dev/text,text,text" in planned.call("asr_train")
    test = planned.call("asr_inference", 1)
    assert " dump/raw/org/ihm_dev/wav.scp,speech,sound " in test
    assert " --ref dump/raw/org/ihm_dev/text " in planned.call("score_asr", 1)
