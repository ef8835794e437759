"""What the recipes of speech recognition are planned to run (see conftest.py)."""

EXP = "exp/mini/asr_train_asr_mini_mtla"
DECODING = f"{EXP}/decode_asr_mini_asr_model_valid.acc.ave"


def test_one_text_from_corpus_to_wer(plan):
    planned = plan("librispeech/asr1", "--ngpu", "0")
    stages = [unit.number for unit in planned.units]
    assert stages == [
        "1",
        "3",
        "3",
        "3",
        "3",
        "4",
        "4",
        "5",
        "11",
        "12",
        "12",
        "13",
        "13",
    ]
    units, raw = "data/mini/token_list/bpe_unigram150", "dump/mini/raw"
    data = "--{0}_data_path_and_name_and_type {1}/wav.scp,speech,sound"
    data += " --{0}_shape_file {1}/utt2num_samples"
    data += " --{0}_data_path_and_name_and_type {1}/text,text,text"
    hyp = f"{DECODING}/test_clean"
    for call in (
        "prepare_librispeech --corpus data/mini/downloads/LibriSpeech --out data/mini",
        f"tokens --text {raw}/train_clean_100/text --nbpe 150 --bpemode unigram --out {units}",
        (
            "asr_train --config ../../../conf/mini/train_asr_mini.yaml"
            " --config ../../../conf/decoder/mtla.yaml"
            f" --token_list {units}/tokens.txt --bpemodel {units}/bpe.model --token_type bpe"
            f" {data.format('train', f'{raw}/train_clean_100')}"
            f" {data.format('valid', f'{raw}/dev_clean')} --normalize utterance_mvn"
            f" --frontend_conf fs=16000 --output_dir {EXP} --seed 1 --resume true --ngpu 0"
        ),
        (
            f"score_asr --ref {raw}/test_clean/text --hyp {hyp}/text"
            f" --bpemodel {units}/bpe.model --out {hyp}/score_wer"
        ),
        "compare exp/mini --corpus librispeech --out exp/mini/RESULTS.md",
    ):
        assert call in planned.calls


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
    fused = plan("ami/asr1", "--use_lm", "true", "--test_sets", "ihm_dev")
    text = " dump/mini/raw/org/ihm_dev/text,text,text "
    assert text in fused.call("lm_perplexity")
