"""What each stage runs, on a copy of a recipe with a fake Python (see conftest.py)."""

import re

import pytest

EXP = "exp/mini/st_train_st_mini_mtla"
DECODING = f"{EXP}/decode_st_mini_st_model_valid.acc.ave"


def test_all_stages_in_order_with_their_arguments(recipe):
    done = recipe.ok("--ngpu", "0", "--nj", "3")
    assert recipe.commands == recipe.PIPELINE
    assert recipe.call("make_mini") == (
        "make_mini --corpus must_c --out data/mini/downloads/MUSTC_v1.0"
        " --num_train 4000 --num_dev 150 --num_test 200 --seed 1 --nj 3"
    )
    assert recipe.call("prepare_must_c") == (
        "prepare_must_c --corpus data/mini/downloads/MUSTC_v1.0 --tgt_lang de --out data/mini"
    )
    assert recipe.call("format_wav_scp") == (
        "format_wav_scp --data data/mini/train.en-de --out dump/mini/raw/org/train.en-de"
        " --fs 16000 --audio_format flac --nj 3"
    )
    assert "--out dump/mini/raw/tst-HE.en-de --fs" in recipe.call("format_wav_scp", 3)
    assert recipe.call("filter_data", 1) == (
        "filter_data --data dump/mini/raw/org/dev.en-de --out dump/mini/raw/dev.en-de"
        " --min_wav_duration 0.1 --max_wav_duration 30"
    )
    units = "data/mini/en-de_token_list"
    tgt, src = (
        f"{units}/tgt_bpe_unigram300_tc_de",
        f"{units}/src_bpe_unigram300_lc.rm_en",
    )
    train, dev = "dump/mini/raw/train.en-de", "dump/mini/raw/dev.en-de"
    assert recipe.call("tokens", 0) == (
        f"tokens --text {train}/text.tc.de --nbpe 300 --bpemode unigram --out {tgt}"
    )
    assert recipe.call("tokens", 1) == (
        f"tokens --text {train}/text.lc.rm.en --nbpe 300 --bpemode unigram --out {src}"
    )
    assert recipe.call("st_train") == " ".join(
        [
            "st_train --config conf/train_st_mini.yaml --config ../../../conf/decoder/mtla.yaml",
            f"--token_list {tgt}/tokens.txt --bpemodel {tgt}/bpe.model --token_type bpe",
            f"--src_token_list {src}/tokens.txt --src_bpemodel {src}/bpe.model",
            "--src_token_type bpe",
        ]
        + [
            f"--{part}_data_path_and_name_and_type {data}/wav.scp,speech,sound"
            f" --{part}_shape_file {data}/utt2num_samples"
            f" --{part}_data_path_and_name_and_type {data}/text.tc.de,text,text"
            f" --{part}_data_path_and_name_and_type {data}/text.lc.rm.en,src_text,text"
            for part, data in (("train", train), ("valid", dev))
        ]
        + [
            f"--normalize utterance_mvn --frontend_conf fs=16000 --output_dir {EXP} --seed 1 --resume true --ngpu 0"
        ]
    )
    test = "dump/mini/raw/tst-COMMON.en-de"
    assert recipe.call("st_inference") == (
        "st_inference --config conf/decode_st_mini.yaml --ngpu 0"
        f" --data_path_and_name_and_type {test}/wav.scp,speech,sound"
        f" --st_train_config {EXP}/config.yaml --st_model_file {EXP}/valid.acc.ave.pth"
        f" --output_dir {DECODING}/tst-COMMON.en-de"
    )
    assert recipe.call("score_st") == (
        f"score_st --ref {test}/text.tc.de --hyp {DECODING}/tst-COMMON.en-de/text"
        f" --tgt_lang de --out {DECODING}/tst-COMMON.en-de/score_bleu"
    )
    assert recipe.call("compare") == (
        "compare exp/mini --corpus must_c --out exp/mini/RESULTS.md"
    )
    assert done.stdout.splitlines()[-1] == "|model|BLEU|"
    assert (
        "stage 2: speed perturbation: not asked for (--speed_perturb_factors)"
        in done.stdout
    )
    assert "stages 6-8: language model: not asked for (--use_lm true)" in done.stdout
    assert re.search(
        rf"stage 11: training \.\.\. \(log: {EXP}/logs/stage_11.log\)", done.stdout
    )
    assert re.search(r"stage 11: training: \d+ s", done.stdout)


def test_the_real_corpus_from_anywhere(recipe, tmp_path):
    corpus = tmp_path / "elsewhere/MUSTC_v1.0"
    corpus.mkdir(parents=True)
    recipe.ok("--must_c", "MUSTC_v1.0", mini=False, cwd=corpus.parent)
    assert recipe.commands == recipe.PIPELINE[1:]
    assert recipe.call("prepare_must_c") == (
        f"prepare_must_c --corpus {corpus} --tgt_lang de --out data"
    )
    assert "--nbpe 8000" in recipe.call("tokens")
    assert "--config conf/train_st.yaml" in recipe.call("st_train")
    assert "--output_dir exp/st_train_st_mtla " in recipe.call("st_train")


def test_options_reach_the_commands(recipe, tmp_path):
    encoder = tmp_path / "asr.pth"
    encoder.write_text("weights")
    options = ["--decoder=mla", "--decoder_args", "kv_lora_rank=64 q_lora_rank=0"]
    options += [
        "--st_args",
        "--max_epoch 3",
        "--pretrained_asr",
        encoder,
        "--seed",
        "7",
    ]
    options += [
        "--src_nbpe",
        "90",
        "--inference_args",
        "--beam_size\n10",
        "--gpu_inference",
        "true",
    ]
    recipe.ok(
        *options,
        "--inference_st_model",
        "valid.loss.best.pth",
        "--feats_normalize",
        "none",
    )
    train = recipe.call("st_train")
    assert "--config ../../../conf/decoder/mla.yaml" in train
    assert " --decoder_conf kv_lora_rank=64 --decoder_conf q_lora_rank=0 " in train
    assert (
        f"--init_param {encoder}:encoder:encoder --model_conf asr_weight=0.0 --decoder_conf"
        in train
    )
    assert (
        "--normalize none" in train
        and "--seed 7" in train
        and " --max_epoch 3 " in train
    )
    tag = "st_train_st_mini_mla_kv_lora_rank64_q_lora_rank0_max_epoch_3"
    tag += "_src_nbpe90_feats_normalizenone_seed7_pretrained"
    assert f"--output_dir exp/mini/{tag} " in train
    assert "--nbpe 300" in recipe.call("tokens", 0) and "--nbpe 90" in recipe.call(
        "tokens", 1
    )
    inference = recipe.call("st_inference")
    assert "--ngpu 1" in inference and inference.endswith("--beam_size 10")
    assert "/valid.loss.best.pth" in inference
    assert "/decode_st_mini_beam_size_10_st_model_valid.loss.best/" in inference


LM_WEIGHT = ["--inference_args", "--lm_weight 0.3"]


def test_what_training_would_refuse_is_checked_first(recipe):
    given = ["--st_args", "--max_epoch 3", "--inference_args", "--beam_size 9"]
    recipe.ok("--decoder_args", "temporal_stride=3", *given)
    first = (
        "--task st --config conf/train_st_mini.yaml --config ../../../conf/decoder/mtla.yaml"
        " --tgt_lang de"
    )
    decoder = " --decoder_conf temporal_stride=3"
    config = " --inference_config conf/decode_st_mini.yaml"
    args = f" --train_args=--max_epoch 3{config} --inference_args=--beam_size 9"
    assert recipe.checked == first + args + decoder
    recipe.ok("--use_lm", "true", "--lm_args", "--max_epoch 3", *LM_WEIGHT)
    lm = f" --train_args={config} --inference_args=--lm_weight 0.3 --lm_config "
    lm += "../../../conf/mini/train_lm_mini.yaml --lm_args=--max_epoch 3"
    assert recipe.checked == first + lm
    recipe.ok("--stage", "12", "--inference_args", "--beam_size 8")
    assert "--inference_args=--beam_size 8" in recipe.checked


@pytest.mark.parametrize("option", ["st_tag", "inference_tag"])
def test_a_name_too_long_for_a_folder_is_refused(recipe, option):
    said = recipe.refused(f"--{option}", "1" * 240)
    assert "bytes: give it a shorter one with --" + option in said
    recipe.ok("--st_args", f"--optim_conf lr={'1' * 230}", "--stop_stage", "1")


def test_another_language_stands_beside_the_first(recipe, tmp_path):
    corpus = tmp_path / "MUSTC_v1.0"
    corpus.mkdir()
    recipe.ok("--must_c", corpus, mini=False)
    recipe.ok("--must_c", corpus, "--tgt_lang", "fr", mini=False)
    assert recipe.commands == recipe.PIPELINE[1:]
    assert recipe.call("prepare_must_c").endswith(" --tgt_lang fr --out data")
    train = recipe.call("st_train")
    assert "--output_dir exp/st_train_st_mtla_tgt_langfr " in train
    assert "dump/raw/train.en-fr/text.tc.fr,text,text" in train
    units = "data/en-fr_token_list/tgt_bpe_unigram8000_tc_fr"
    assert f"--token_list {units}/tokens.txt" in train
    ref = "dump/raw/tst-HE.en-fr/text.tc.fr"
    score = recipe.call("score_st", 1)
    assert score.startswith(f"score_st --ref {ref} ") and " --tgt_lang fr " in score
    assert "--normalization" not in recipe.call("tokens")
    # The first language's data, units and models are still there.
    recipe.ok("--must_c", corpus, mini=False)
    assert recipe.calls == []


@pytest.mark.parametrize("language", ["ja", "zh"])
def test_punctuation_that_nfkc_would_change_is_kept(recipe, language):
    options = ["--must_c", ".", "--tgt_lang", language, "--stop_stage", "5"]
    recipe.ok(*options, mini=False)
    out = f"data/en-{language}_token_list/tgt_bpe_unigram8000_tc_{language}"
    assert recipe.call("tokens").endswith(f" --normalization identity --out {out}")


def test_several_gpus_train_in_processes(recipe):
    recipe.ok("--ngpu", "2")
    assert recipe.call("st_train").endswith(
        " --ngpu 2 --multiprocessing_distributed true"
    )
    assert " --ngpu 1 " in recipe.call("st_inference")


def test_a_tag_replaces_the_made_one(recipe):
    recipe.ok("--st_tag", "mine", "--inference_tag", "narrow")
    assert "--output_dir exp/mini/st_mine " in recipe.call("st_train")
    assert "--output_dir exp/mini/st_mine/narrow/tst-HE.en-de" in recipe.call(
        "st_inference", 1
    )


def test_stages_can_be_skipped(recipe):
    recipe.ok("--skip_train", "true", "--skip_eval", "true")
    assert recipe.commands == recipe.PIPELINE[: recipe.PIPELINE.index("st_train")]
    recipe.ok("--skip_data_prep", "true", "--stop_stage", "11")
    assert recipe.commands == ["st_train"]


def test_the_environment_of_the_commands(recipe):
    fault = recipe.faults / "make_mini"
    fault.write_text('echo "threads=$OMP_NUM_THREADS $PYTHONUNBUFFERED $TQDM_DISABLE"')
    recipe.ok("--num_threads", "3", "--stop_stage", "1")
    log = (recipe.dir / "data/mini/logs/stage_1.de.log").read_text()
    assert "threads=3 1 1" in log
