"""must_c/st1 with the recogniser it starts from, on a fake Python (see conftest.py)."""

import pytest

ASR = "exp/mini/asr_pretraining"
ENCODER = f"{ASR}/valid.acc.ave.pth"


@pytest.fixture
def options():
    return ["--pretrain_asr", "true", "--ngpu", "0", "--nj", "2"]


def test_the_recogniser_trains_on_the_same_data(recipe, options):
    done = recipe.ok(*options, "--src_nbpe", "90")
    before, after = recipe.PIPELINE[2:10], recipe.PIPELINE[10:]
    first = [*recipe.PIPELINE[:2], "tokens", "tokens"]  # whether there are so many
    assert recipe.commands == [*first, *before, "asr_train", *after]
    units = "data/mini/en-de_token_list/src_bpe_unigram90_lc.rm_en"
    text = "dump/mini/raw/train.en-de/text.lc.rm.en"
    assert recipe.call("tokens", 3) == (
        f"tokens --text {text} --nbpe 90 --bpemode unigram --out {units}"
    )
    asr = recipe.call("asr_train")
    assert f"{text},text,text" in asr and f"--token_list {units}/tokens.txt" in asr
    assert "--config ../../../conf/mini/train_asr_mini.yaml " in asr
    assert f"--output_dir {ASR}_src_nbpe90 --seed 1 --resume true --ngpu 0" in asr
    st = recipe.call("st_train")
    assert (
        f"--init_param {ASR}_src_nbpe90/valid.acc.ave.pth:encoder:encoder --model_conf asr_weight=0.0"
        in st
    )
    assert "_pretrained --seed" in st
    log = f"{ASR}_src_nbpe90/logs/stage_10.log"
    assert f"stage 10: pretraining ... (log: {log})\nstage 10: pre" in done.stdout


def test_all_options_of_the_data_reach_the_recogniser(recipe, options):
    options += ["--num_train", "50", "--num_dev", "5", "--num_test", "9"]
    options += ["--local_data_opts", "--x 1", "--test_sets", "tst-HE.en-de"]
    options += ["--datadir", "d", "--dumpdir", "u", "--expdir", "e", "--fs", "8000"]
    options += ["--audio_format", "wav", "--speed_perturb_factors", "0.9 1.0"]
    options += ["--min_wav_duration", "0.5", "--max_wav_duration", "9"]
    options += ["--feats_normalize", "none", "--seed", "3", "--bpemode", "bpe"]
    recipe.ok(*options)
    for command in ("make_mini", "prepare_must_c", "perturb_speed"):
        assert recipe.commands.count(command) == 1
    assert recipe.commands.count("format_wav_scp") == 3
    assert recipe.commands.count("tokens") == 4
    asr = recipe.call("asr_train")
    assert "u/raw/train.en-de_sp/wav.scp" in asr and "fs=8000" in asr
    assert "--normalize none" in asr and "--seed 3" in asr
    recipe.ok(*options)
    assert recipe.calls == []


def test_variants_share_one_recogniser(recipe, options):
    recipe.ok(*options)
    recipe.ok(*options, "--decoder", "mha", "--stop_stage", "11")
    assert recipe.commands == ["st_train"]
    assert f"--init_param {ENCODER}:" in recipe.call("st_train")
    recipe.ok(*options, "--seed", "2", "--stop_stage", "11")
    assert recipe.commands == ["asr_train", "st_train"]
    recipe.ok(*options, "--stop_stage", "11")  # beside it, the first are as they were
    assert recipe.calls == []


def test_a_training_done_again_keeps_its_recogniser(recipe, options):
    recipe.ok(*options)
    recipe.ok(*options, "--stage", "11", "--stop_stage", "11")
    assert recipe.commands == ["st_train"]


def test_the_real_corpus_with_the_papers_encoder(recipe, tmp_path):
    corpus = tmp_path / "MUSTC_v1.0"
    corpus.mkdir()
    recipe.ok("--must_c", corpus.name, "--paper", "true", mini=False, cwd=tmp_path)
    assert recipe.commands.count("prepare_must_c") == 1
    asr = recipe.call("asr_train")
    assert "--config ../asr1/conf/train_asr.yaml " in asr
    assert "--output_dir exp/asr_pretraining " in asr


def test_a_failing_pretraining_says_so_and_goes_on(recipe, options):
    fault = recipe.faults / "asr_train"
    fault.write_text("echo 'error: no room'; exit 1")
    done = recipe.run(*options)
    assert done.returncode == 1 and recipe.commands[-1] == "asr_train"
    assert done.stderr == (
        "run.sh: stage 10 (pretraining) failed: error: no room;"
        f" see {ASR}/logs/stage_10.log\n"
    )
    fault.unlink()
    recipe.ok(*options)
    assert recipe.commands == ["asr_train", *recipe.rest("st_train")]


def test_one_encoder_at_a_time(recipe, options):
    assert recipe.refused(*options, "--pretrained_asr", "run.sh") == (
        "run.sh: give either --pretrain_asr true or --pretrained_asr, not both"
    )


def test_a_recogniser_needs_a_configuration(recipe, options):
    assert recipe.refused(*options, "--asr_config", "") == (
        "run.sh: --pretrain_asr true: give --asr_config too"
    )


def test_only_translation_has_it(recipe_class, tmp_path):
    asr = recipe_class(tmp_path, "must_c/asr1")
    assert "unknown option --pretrain_asr" in asr.refused("--pretrain_asr", "true")
