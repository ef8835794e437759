"""What each stage of must_c/st1 is planned to run (see conftest.py)."""

from pathlib import Path

import pytest

EXP = "exp/mini/st_train_st_mini_mtla"
DECODING = f"{EXP}/decode_st_mini_st_model_valid.acc.ave"
SETS = ("train", "dev", "tst-COMMON", "tst-HE")
SIZES = "--num_train 4000 --num_dev 150 --num_test 200"
TRIED = "1.de.tgt_bpe_unigram999_tc_de", "1.de.src_bpe_unigram999_lc.rm_en"


@pytest.fixture
def st(plan):
    return lambda *options, **how: plan("must_c/st1", *options, **how)


def test_all_stages_in_order_with_their_arguments(st):
    planned = st("--ngpu", "0", "--nj", "3")
    sets = [f"{name}.en-de" for name in SETS]
    assert [unit.name for unit in planned.units] == (
        [
            "1.de",
            *(f"3.{s}" for s in sets),
            *(f"4.{s}" for s in sets[:2]),
            "5",
            "5",
        ]
        + ["11", *(f"12.{s}" for s in sets[2:]), "13", "13.table"]
    )
    assert planned.notes == [
        ("2", "speed perturbation: not asked for (--speed_perturb_factors)"),
        ("6-8", "language model: not asked for (--use_lm true)"),
        ("9", "n-gram language model: not used by this recipe"),
        ("10", "statistics: not used by this recipe"),
    ]
    tgt, src = (
        f"data/mini/en-de_token_list/{units}"
        for units in ("tgt_bpe_unigram300_tc_de", "src_bpe_unigram300_lc.rm_en")
    )
    raw, corpus = "dump/mini/raw", "data/mini/downloads/MUSTC_v1.0"
    speech = "--{0}_data_path_and_name_and_type {1}/wav.scp,speech,sound"
    speech += " --{0}_shape_file {1}/utt2num_samples"
    speech += " --{0}_data_path_and_name_and_type {1}/text.tc.de,text,text"
    speech += " --{0}_data_path_and_name_and_type {1}/text.lc.rm.en,src_text,text"
    assert planned.calls == [
        f"make_mini --corpus must_c --out {corpus} {SIZES} --seed 1 --nj 3",
        f"prepare_must_c --corpus {corpus} --tgt_lang de --out data/mini",
        *(
            f"format_wav_scp --data data/mini/{s} --out {raw}/{out}{s} --fs 16000"
            " --audio_format flac --nj 3"
            for s, out in zip(sets, ("org/", "org/", "", ""), strict=True)
        ),
        *(
            f"filter_data --data {raw}/org/{s} --out {raw}/{s} --min_wav_duration 0.1"
            " --max_wav_duration 30"
            for s in sets[:2]
        ),
        *(
            f"tokens --text {raw}/train.en-de/{text} --nbpe 300 --bpemode unigram --out {out}"
            for text, out in (("text.tc.de", tgt), ("text.lc.rm.en", src))
        ),
        (
            "st_train --config conf/train_st_mini.yaml --config ../../../conf/decoder/mtla.yaml"
            f" --token_list {tgt}/tokens.txt --bpemodel {tgt}/bpe.model --token_type bpe"
            f" --src_token_list {src}/tokens.txt --src_bpemodel {src}/bpe.model"
            f" --src_token_type bpe {speech.format('train', f'{raw}/train.en-de')}"
            f" {speech.format('valid', f'{raw}/dev.en-de')} --normalize utterance_mvn"
            f" --frontend_conf fs=16000 --output_dir {EXP} --seed 1 --resume true --ngpu 0"
        ),
        *(
            "st_inference --config conf/decode_st_mini.yaml --ngpu 0"
            f" --data_path_and_name_and_type {raw}/{s}/wav.scp,speech,sound"
            f" --st_train_config {EXP}/config.yaml"
            f" --st_model_file {EXP}/valid.acc.ave.pth --output_dir {DECODING}/{s}"
            for s in sets[2:]
        ),
        *(
            f"score_st --ref {raw}/{s}/text.tc.de --hyp {DECODING}/{s}/text"
            f" --tgt_lang de --out {DECODING}/{s}/score_bleu"
            for s in sets[2:]
        ),
        "compare exp/mini --corpus must_c --out exp/mini/RESULTS.md",
    ]


def test_where_logs_lie_and_what_is_shown(st, plan):
    planned = st()
    assert str(planned.unit("11").log) == f"{EXP}/logs/stage_11.log"
    assert str(planned.unit("1.de").log) == "data/mini/logs/stage_1.de.log"
    assert planned.unit("13.table").words["shows"] == ["exp/mini/RESULTS.md"]
    assert [u.name for u in planned.units if u.words["shows"]] == ["13.table"]
    assert [u.name for u in planned.units if u.trains] == ["11"]
    # another cost of decoding is reason enough
    cost = f"{DECODING}/tst-HE.en-de/efficiency.json"
    assert cost in planned.unit("13").reads
    # all commands are run by the Python that was named
    assert planned.start[1] == str(plan.python)
    assert st("--num_threads", "3").start[2] == "3"


def test_a_mistyped_model_does_not_train_again(st):
    """What training makes is not what decoding asks for."""
    planned = st("--inference_st_model", "valid.acc.avg.pth")
    assert planned.unit("11").makes == [f"{EXP}/config.yaml"]
    decoding = planned.unit("12.tst-HE.en-de")
    chosen = ["inference_st_model", EXP, "valid.acc.avg.pth"]
    assert decoding.words["model"] == chosen
    chosen = ["", EXP, "valid.acc.ave.pth"]
    assert st().unit("12.tst-HE.en-de").words["model"] == chosen


def test_the_real_corpus_from_anywhere(st, corpus, tmp_path):
    planned = st("--must_c", "corpus", mini=False, cwd=tmp_path)
    assert planned.commands == st().commands[1:]
    assert planned.calls[0] == (
        f"prepare_must_c --corpus {corpus} --tgt_lang de --out data"
    )
    assert "--nbpe 8000" in planned.call("tokens")
    assert "--config conf/train_st.yaml" in planned.call("st_train")
    assert "--output_dir exp/st_train_st_mtla " in planned.call("st_train")


def test_options_reach_the_commands(st, tmp_path):
    encoder = tmp_path / "asr.pth"
    encoder.touch()
    options = ["--decoder=mla", "--decoder_args", "kv_lora_rank=64 q_lora_rank=0"]
    options += ["--st_args", "--max_epoch 3", "--pretrained_asr", str(encoder)]
    options += ["--seed", "7", "--src_nbpe", "90", "--gpu_inference", "true"]
    options += ["--inference_args", "--beam_size\n10", "--feats_normalize", "none"]
    planned = st(*options, "--inference_st_model", "valid.loss.best.pth")
    tag = "st_train_st_mini_mla_kv_lora_rank64_q_lora_rank0_max_epoch_3"
    tag += "_src_nbpe90_feats_normalizenone_seed7_pretrained"
    train = planned.call("st_train")
    for words in (
        "--config ../../../conf/decoder/mla.yaml",
        " --decoder_conf kv_lora_rank=64 --decoder_conf q_lora_rank=0 ",
        f"--init_param {encoder}:encoder:encoder --model_conf asr_weight=0.0 --decoder_conf",
        "--normalize none",
        f"--output_dir exp/mini/{tag} --seed 7 --resume true --max_epoch 3 ",
    ):
        assert words in train
    for nth, n in ((0, 300), (1, 90)):
        assert f"--nbpe {n} " in planned.call("tokens", nth)
    assert str(encoder) in planned.unit("11").reads
    inference = planned.call("st_inference")
    assert "--ngpu 1" in inference and inference.endswith("--beam_size 10")
    assert "/valid.loss.best.pth" in inference
    assert "/decode_st_mini_beam_size_10_st_model_valid.loss.best/" in inference
    sized = st("--batch_size", "4").call("st_inference")
    assert " conf/decode_st_mini.yaml --batch_size 4 " in sized
    assert "/decode_st_mini_batch_size_4_st_model_valid.acc.ave/" in sized


def test_espnet_s_decoder_and_search_are_options_as_others_are(st):
    decoder = ("--decoder", "transformer", "--decoder_args", "qk_norm=true")
    planned = st(*decoder)
    train = planned.call("st_train")
    assert " --config ../../../conf/decoder/transformer.yaml " in train
    assert (
        " --decoder_conf qk_norm=true --output_dir exp/mini/st_train_st_mini_" in train
    )
    assert "st_train_st_mini_transformer_qk_normtrue --seed" in train
    other = st(*decoder, "--inference_args", "--search espnet")
    assert other.call("st_train") == train
    searched = other.call("st_inference")
    assert searched.endswith(
        "_valid.acc.ave_search_espnet/tst-COMMON.en-de --search espnet"
    )


def test_what_training_would_refuse_is_checked_first(st):
    given = ["--st_args", "--max_epoch 3", "--inference_args", "--beam_size 9"]
    first = ["--task", "st", "--config", "conf/train_st_mini.yaml"]
    first += ["--config", "../../../conf/decoder/mtla.yaml", "--tgt_lang", "de"]
    config = ["--inference_config", "conf/decode_st_mini.yaml"]
    assert st("--decoder_args", "temporal_stride=3", *given).checked == [
        *(*first, "--train_args=--max_epoch 3", *config),
        *("--inference_args=--beam_size 9", "--decoder_conf", "temporal_stride=3"),
        "--build",
    ]
    weight = ["--inference_args", "--lm_weight 0.3"]
    lm = ["--lm_config", "../../../conf/mini/train_lm_mini.yaml"]
    assert st("--use_lm", "true", "--lm_args", "--max_epoch 3", *weight).checked == [
        *(*first, "--train_args=", *config, "--inference_args=--lm_weight 0.3"),
        *(*lm, "--lm_args=--max_epoch 3", "--build"),
    ]
    assert st("--stage", "12").checked and st("--stop_stage", "11").checked
    assert st("--stop_stage", "10").checked == []


def test_more_units_than_the_texts_give_are_met_before_audio_is_formatted(st):
    text, source = st("--nbpe", "999").tried
    assert (text.name, source.name) == TRIED and not text.makes
    assert text.reads == ["data/mini/train.en-de/text.tc.de"]
    (command,) = text.commands
    assert " ".join(command) == (
        f"tokens --text {text.reads[0]} --nbpe 999 --bpemode unigram"
    )


def test_another_language(st, corpus):
    planned = st("--must_c", corpus, "--tgt_lang", "fr", mini=False)
    assert planned.calls[0].endswith(" --tgt_lang fr --out data")
    train = planned.call("st_train")
    assert "--output_dir exp/st_train_st_mtla_tgt_langfr " in train
    assert "dump/raw/train.en-fr/text.tc.fr,text,text" in train
    units = "data/en-fr_token_list/tgt_bpe_unigram8000_tc_fr"
    assert f"--token_list {units}/tokens.txt" in train
    score = planned.call("score_st", 1)
    assert score.startswith("score_st --ref dump/raw/tst-HE.en-fr/text.tc.fr ")
    assert " --tgt_lang fr " in score
    assert "--normalization" not in planned.call("tokens")


@pytest.mark.parametrize("language", ["ja", "zh"])
def test_punctuation_that_nfkc_would_change_is_kept(st, language):
    planned = st("--must_c", ".", "--tgt_lang", language, mini=False)
    out = f"data/en-{language}_token_list/tgt_bpe_unigram8000_tc_{language}"
    assert planned.call("tokens").endswith(f" --normalization identity --out {out}")
    assert "--normalization" not in planned.call("tokens", 1)
    tried = [" ".join(unit.commands[0]) for unit in planned.tried]
    assert tried[0].endswith("--normalization identity") and tried[1].endswith(
        "unigram"
    )


def test_several_gpus_train_in_processes(st):
    planned = st("--ngpu", "2")
    train, several = planned.call("st_train"), "--multiprocessing_distributed true"
    assert train.endswith(f" --ngpu 2 {several}")
    assert " --ngpu 1 " in planned.call("st_inference")
    # and are no part of what is trained
    (counted,) = planned.unit("11").counted
    assert counted[-2:] == ["--resume", "true"]


def test_a_tag_replaces_the_made_one(st):
    planned = st("--st_tag", "mine", "--inference_tag", "narrow")
    assert "--output_dir exp/mini/st_mine " in planned.call("st_train")
    out = "--output_dir exp/mini/st_mine/narrow/tst-HE.en-de"
    assert out in planned.call("st_inference", 1)


def test_stages_can_be_skipped(st):
    def numbers(*options):
        return sorted({int(unit.number) for unit in st(*options).units})

    assert numbers("--skip_train", "true") == [1, 3, 4, 5, 12, 13]
    assert numbers("--skip_eval", "true") == [1, 3, 4, 5, 11]
    assert numbers("--skip_data_prep", "true", "--stop_stage", "11") == [11]
    assert numbers("--stage", "4", "--stop_stage", "12") == [4, 5, 11, 12]
    assert (st("--stage", "4").redo_from, st().redo_from) == ("4", "")
    assert (st("--dry_run", "true").dry_run, st().dry_run) == ("true", "false")


def test_a_validation_set_that_is_tested_is_formatted_once(st):
    planned = st("--test_sets", "dev.en-de tst-HE.en-de")
    formatted = [unit.name for unit in planned.units if unit.number == "3"]
    assert formatted == ["3.train.en-de", "3.dev.en-de", "3.tst-HE.en-de"]


def test_the_default_file_written_out_is_no_other(st):
    recipe = Path(__file__).resolve().parents[2] / "egs2/must_c/st1"
    given = ("--st_config", "conf/train_st_mini.yaml")
    assert st(*given, cwd=recipe).calls == st().calls
