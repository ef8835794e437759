"""must_c/st1 with the recogniser that it starts from (see conftest.py)."""

import pytest

ASR = "exp/mini/asr_pretraining"


@pytest.fixture
def st(plan):
    options = ["--pretrain_asr", "true", "--ngpu", "0", "--nj", "2"]
    return lambda *more, **how: plan("must_c/st1", *options, *more, **how)


def test_the_recogniser_trains_on_the_same_data(st):
    planned = st("--src_nbpe", "90")
    names = [unit.name for unit in planned.units]
    assert names[7:11] == ["5", "5", "11", "11"]
    unit = next(u for u in planned.units if u.title == "pretraining")
    assert unit.trains and unit.once
    assert str(unit.log) == f"{ASR}_src_nbpe90/logs/stage_11.log"
    units = "data/mini/en-de_token_list/src_bpe_unigram90_lc.rm_en"
    text = "dump/mini/raw/train.en-de/text.lc.rm.en"
    assert planned.call("tokens", 1) == (
        f"tokens --text {text} --nbpe 90 --bpemode unigram --out {units}"
    )
    asr = planned.call("asr_train")
    assert f"{text},text,text" in asr and f"--token_list {units}/tokens.txt" in asr
    assert "--config ../../../conf/mini/train_asr_mini.yaml " in asr
    assert f"--output_dir {ASR}_src_nbpe90 --seed 1 --resume true --ngpu 0" in asr
    st_train = planned.call("st_train")
    model = f"{ASR}_src_nbpe90/valid.acc.ave.pth"
    assert (
        f"--init_param {model}:encoder:encoder --model_conf asr_weight=0.0" in st_train
    )
    assert model in planned.units[10].reads
    assert "_pretrained --seed" in st_train


def test_all_options_of_the_data_reach_the_recogniser(st):
    options = ["--num_train", "50", "--num_dev", "5", "--num_test", "9"]
    options += ["--local_data_opts", "--x 1", "--test_sets", "tst-HE.en-de"]
    options += ["--datadir", "d", "--dumpdir", "u", "--expdir", "e", "--fs", "8000"]
    options += ["--audio_format", "wav", "--speed_perturb_factors", "0.9 1.0"]
    options += ["--min_wav_duration", "0.5", "--max_wav_duration", "9"]
    options += ["--feats_normalize", "none", "--seed", "3", "--bpemode", "bpe"]
    planned = st(*options)
    counts = [("make_mini", 1), ("prepare_must_c", 1), ("perturb_speed", 1)]
    for command, count in [*counts, ("format_wav_scp", 3), ("tokens", 2)]:
        assert planned.commands.count(command) == count
    mini = planned.call("make_mini")
    assert "--num_train 50 --num_dev 5 --num_test 9 --seed 1 " in mini
    prepared = planned.call("prepare_must_c")
    assert prepared.endswith(" --tgt_lang de --x 1 --out d")
    assert "--fs 8000 --audio_format wav " in planned.call("format_wav_scp")
    kept = planned.call("filter_data")
    assert kept.endswith(" --min_wav_duration 0.5 --max_wav_duration 9")
    asr = planned.call("asr_train")
    assert "u/raw/train.en-de_sp/wav.scp" in asr and "fs=8000" in asr
    assert "--normalize none" in asr and "--seed 3" in asr
    units = "_bpe_bpe300_tc_de_local_data_optsx_1"
    assert planned.call("tokens").endswith(units)


def test_the_real_corpus_with_the_papers_encoder(st, corpus, tmp_path):
    planned = st("--must_c", "corpus", "--paper", "true", mini=False, cwd=tmp_path)
    assert planned.commands.count("prepare_must_c") == 1
    asr = planned.call("asr_train")
    assert "--config ../asr1/conf/train_asr.yaml " in asr
    assert "--output_dir exp/asr_pretraining " in asr
