"""The stage driver, run on a copy of a recipe with a fake Python (see conftest.py)."""

import re
import shutil
import signal
import subprocess
import time

import psutil
import pytest

PIPELINE = (
    ["make_mini", "prepare_must_c"]
    + ["format_wav_scp"] * 4
    + ["filter_data"] * 2
    + ["tokens"] * 2
    + ["st_train"]
    + ["st_inference"] * 2
    + ["score_st"] * 2
    + ["compare"]
)


def alive(pid):
    return (
        psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    )


@pytest.fixture(scope="module")
def all_done(tmp_path_factory, recipe_class):
    recipe = recipe_class(tmp_path_factory.mktemp("done"))
    recipe.ok()
    return recipe.root


@pytest.fixture
def finished(all_done, tmp_path, recipe_class):
    """A recipe all of whose stages were run before."""
    recipe = recipe_class(tmp_path)
    shutil.rmtree(recipe.root)
    shutil.copytree(all_done, recipe.root)
    return recipe


EXP = "exp/mini/st_train_st_mini_mtla"
DECODING = f"{EXP}/decode_st_mini_st_model_valid.acc.ave"


def test_all_stages_in_order_with_their_arguments(recipe):
    done = recipe.ok("--ngpu", "0", "--nj", "3")
    assert recipe.commands == PIPELINE
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
        f" --out {DECODING}/tst-COMMON.en-de/score_bleu"
    )
    assert recipe.call("compare") == (
        "compare --expdir exp/mini --task st --corpus must_c --out exp/mini/RESULTS.md"
    )
    assert done.stdout.splitlines()[-1] == "|model|BLEU|"
    assert (
        "stage 2: speed perturbation: not asked for (--speed_perturb_factors)"
        in done.stdout
    )
    assert "stages 6-9: language model: not used by this recipe" in done.stdout
    assert re.search(
        rf"stage 11: training \.\.\. \(log: {EXP}/logs/stage_11.log\)", done.stdout
    )
    assert re.search(r"stage 11: training: \d+ s", done.stdout)


def test_the_real_corpus_from_anywhere(recipe, tmp_path):
    corpus = tmp_path / "elsewhere/MUSTC_v1.0"
    corpus.mkdir(parents=True)
    recipe.ok("--must_c", "MUSTC_v1.0", mini=False, cwd=corpus.parent)
    assert recipe.commands == PIPELINE[1:]
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
        "--beam_size 10",
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


def test_a_rerun_skips_everything_and_prints_the_table(finished):
    done = finished.ok()
    assert finished.calls == []
    assert done.stdout.count("done already") == 13
    assert done.stdout.splitlines()[-1] == "|model|BLEU|"
    finished.ok(
        "--nj", "5", "--num_threads", "3", "--ngpu", "2", "--gpu_inference", "false"
    )
    assert finished.calls == []  # how many processes is no reason to start again


@pytest.mark.parametrize(
    "options, first",
    [
        (["--num_train", "40"], "make_mini"),
        (["--fs", "8000"], "format_wav_scp"),
        (["--max_wav_duration", "20.5"], "filter_data"),
        (["--nbpe", "60"], "tokens"),
        (["--decoder", "mha"], "st_train"),
        (["--decoder_args", "temporal_stride=4"], "st_train"),
        (["--st_args", "--max_epoch 9"], "st_train"),
        (["--batch_size", "1"], "st_inference"),
        (["--inference_args", "--beam_size 2"], "st_inference"),
    ],
)
def test_a_changed_option_reruns_what_depends_on_it(finished, options, first):
    finished.ok(*options)
    assert finished.commands == PIPELINE[PIPELINE.index(first) :]


@pytest.mark.parametrize(
    "file, first",
    [
        ("conf/train_st_mini.yaml", "st_train"),
        ("../../../conf/decoder/mtla.yaml", "st_train"),
        ("conf/decode_st_mini.yaml", "st_inference"),
        (f"{EXP}/valid.acc.ave.pth", "st_inference"),
    ],
)
def test_a_changed_file_reruns_what_depends_on_it(finished, file, first):
    with open(finished.dir / file, "a") as f:
        f.write("seed: 3\n")
    finished.ok()
    assert finished.commands == PIPELINE[PIPELINE.index(first) :]


def test_a_further_test_set_does_not_train_again(recipe):
    recipe.ok("--test_sets", "tst-HE.en-de")
    recipe.ok()
    assert recipe.commands == [
        "format_wav_scp",
        "st_inference",
        "score_st",
        "score_st",
        "compare",
    ]


def test_another_decoder_shares_the_data_and_keeps_the_first_model(finished):
    finished.ok("--decoder", "mha")
    finished.ok()
    assert finished.calls == []
    assert not (finished.dir / "exp/mini/.old").exists()


def test_a_lost_output_is_made_again(recipe):
    recipe.ok("--batch_size", "4")
    assert "--batch_size 4 " in recipe.call("st_inference")
    # A setting of its own, whose times stand beside the others.
    decoding = f"{EXP}/decode_st_mini_batch_size_4_st_model_valid.acc.ave"
    shutil.rmtree(recipe.dir / decoding / "tst-HE.en-de")
    recipe.ok("--batch_size", "4")
    assert recipe.commands == ["st_inference", "score_st", "score_st", "compare"]
    assert "tst-HE" in recipe.call("st_inference")


def test_stage_redoes_from_there_on(finished):
    finished.ok("--stage", "12")
    assert finished.commands == PIPELINE[PIPELINE.index("st_inference") :]
    finished.ok("--stage", "3", "--stop_stage", "5")
    assert set(finished.commands) == {"format_wav_scp", "filter_data", "tokens"}
    finished.ok()
    assert finished.calls == []  # the same data again: nothing to train


def test_stages_can_be_skipped(recipe):
    recipe.ok("--skip_train", "true", "--skip_eval", "true")
    assert recipe.commands == PIPELINE[: PIPELINE.index("st_train")]
    recipe.ok("--skip_data_prep", "true", "--stop_stage", "11")
    assert recipe.commands == ["st_train"]


def test_a_missing_earlier_stage_is_named(recipe):
    done = recipe.run("--stage", "12")
    assert done.returncode == 1 and recipe.calls == []
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(
        rf"run\.sh: stage 12 \(decoding tst-COMMON\.en-de\) failed: error: {EXP}/config\.yaml"
        r" is missing: run the earlier stages first; see \S+/stage_12\.tst-COMMON\.en-de\.log",
        line,
    )


def test_a_failing_stage_ends_with_its_error_and_a_rerun_goes_on_there(recipe):
    fault = recipe.faults / "tokens"
    fault.write_text(
        "echo loading; echo 'error: --nbpe 150 is too many for 9 words'; exit 3"
    )
    done = recipe.run()
    log = "data/mini/logs/stage_5.text.log"
    assert done.returncode == 1
    assert done.stderr == (
        "run.sh: stage 5 (units of text) failed: error: --nbpe 150 is too many for 9 words;"
        f" see {log}\n"
    )
    lines = (recipe.dir / log).read_text().splitlines()
    assert re.fullmatch(
        r"# \S+/bin/python -m espnet_mtla\.bin\.tokens --text .*", lines[0]
    )
    assert lines[1] == "loading"
    fault.unlink()
    recipe.ok()
    assert recipe.commands == PIPELINE[PIPELINE.index("tokens") :]


@pytest.mark.parametrize(
    "fault, reason",
    [
        (
            "echo Traceback; echo '  File x'; echo 'KeyError: 3'; exit 1",
            " failed: KeyError: 3; see",
        ),
        ("echo error: old; kill -KILL $$", " failed: killed by signal 9; see"),
        ("exit 1", " failed; see"),
        ("exit 0", " failed: it made no dump/mini/raw/org/train.en-de/wav.scp; see"),
    ],
)
def test_the_last_line_says_why(recipe, fault, reason):
    (recipe.faults / "format_wav_scp").write_text(fault)
    done = recipe.run()
    assert done.returncode == 1 and recipe.commands[-1] == "format_wav_scp"
    assert recipe.commands.count("format_wav_scp") == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"run.sh: stage 3 (format train.en-de){reason} dump/mini/logs/stage_3.train.en-de.log"
    )


def test_a_training_cut_short_goes_on(recipe):
    fault = recipe.faults / "st_train"
    fault.write_text(f"mkdir -p {EXP}; echo half >{EXP}/checkpoint.pth; kill -KILL $$")
    assert recipe.run().returncode == 1
    fault.unlink()
    recipe.ok("--stage", "11")
    assert (recipe.dir / EXP / "checkpoint.pth").read_text() == "half\ntrained\n"
    assert not (recipe.dir / "exp/mini/.old").exists()


def test_a_training_with_other_options_starts_afresh_and_keeps_the_old(finished):
    (finished.dir / "conf/train_st_mini.yaml").write_text("max_epoch: 2\n")
    done = finished.ok()
    assert (finished.dir / EXP / "checkpoint.pth").read_text() == "trained\n"
    (old,) = (finished.dir / "exp/mini/.old").iterdir()
    assert (old / "checkpoint.pth").exists()
    assert f"kept in exp/mini/.old/{old.name}" in done.stdout


def test_a_mistyped_model_does_not_train_again(finished):
    done = finished.run("--inference_st_model", "valid.acc.avg.pth")
    assert done.returncode == 1 and finished.calls == []
    assert f"error: {EXP}/valid.acc.avg.pth is missing" in done.stderr
    assert (finished.dir / EXP / "checkpoint.pth").exists()


def test_a_finished_training_asked_for_again_starts_afresh(finished):
    finished.ok("--stage", "11")
    assert finished.commands == PIPELINE[PIPELINE.index("st_train") :]
    assert (finished.dir / EXP / "checkpoint.pth").read_text() == "trained\n"
    assert len(list((finished.dir / "exp/mini/.old").iterdir())) == 1


def test_two_runs_at_once_share_the_work(recipe):
    (recipe.faults / "make_mini").write_text("sleep 1")
    first, second = (
        subprocess.Popen(
            [recipe.dir / "run.sh", *recipe.options("--decoder", decoder)],
            env=recipe.env,
            text=True,
            stdout=subprocess.PIPE,
        )
        for decoder in ("mha", "mla")
    )
    said = first.communicate(timeout=60)[0] + second.communicate(timeout=60)[0]
    assert (first.returncode, second.returncode) == (0, 0)
    assert "stage 1: waiting for another run.sh that is in data preparation" in said
    assert sorted(recipe.commands) == sorted(
        PIPELINE + PIPELINE[PIPELINE.index("st_train") :]
    )


def test_an_interrupt_ends_the_command_and_the_rerun_goes_on(recipe, tmp_path):
    pid_file = tmp_path / "pid"
    fault = recipe.faults / "filter_data"
    fault.write_text(
        f"echo $$ >{pid_file}.tmp; mv {pid_file}.tmp {pid_file}; sleep 60 & wait"
    )
    run = subprocess.Popen(
        [recipe.dir / "run.sh", *recipe.options()],
        env=recipe.env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 20
    while not pid_file.exists() and time.monotonic() < until:
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=20)
    assert run.returncode == 130
    assert stderr.splitlines() == [
        "run.sh: interrupted in stage 4 (filter train.en-de); the same command goes on from there"
    ]
    assert not alive(int(pid_file.read_text()))
    fault.unlink()
    recipe.ok()
    assert recipe.commands == PIPELINE[PIPELINE.index("filter_data") :]


def test_what_cannot_work_is_refused_before_any_work(recipe):
    assert recipe.refused(mini=False) == (
        "run.sh: which corpus? give --mini true for a small synthetic one,"
        " or --must_c PATH for the real one"
    )
    assert (
        recipe.refused("--must_c", ".")
        == "run.sh: give either --mini true or --must_c, not both"
    )
    assert recipe.refused("--must_c", "/no/such", mini=False) == (
        "run.sh: --must_c: no such file or folder: /no/such"
    )
    assert recipe.refused("--decoder", "mlta") == (
        "run.sh: no decoder 'mlta'; there are: gqa mha mla mqa mtla"
    )
    assert recipe.refused("--decoder_args", "temporal_strid=4") == (
        "run.sh: error: no option 'temporal_strid'"
    )
    assert recipe.refused("--audio_format", "mp3") == (
        "run.sh: --audio_format is flac or wav, not 'mp3'"
    )
    assert recipe.refused("--tgt_lang", "fr") == (
        "run.sh: --tgt_lang fr: the mini corpus is English to German"
    )
    assert recipe.refused("--python", "no_python", python=False) == (
        "run.sh: --python: cannot run no_python"
    )
    assert recipe.refused("--decoder_args", "temporal_stride 4") == (
        "run.sh: --decoder_args: 'temporal_stride' is not name=value"
    )
    assert recipe.refused("--st_config", "conf/no.yaml") == (
        "run.sh: --st_config: no such file or folder: conf/no.yaml"
    )
    assert recipe.refused("--stage", "14") == (
        "run.sh: nothing to do: --stage 14 comes after --stop_stage 13"
    )
    assert "--feats_normalize" in recipe.refused("--feats_normalize", "global_mvn")
    assert "--python" in recipe.refused("--python", "/no/python", python=False)


def test_without_an_environment_the_installer_runs_first(recipe):
    installer = recipe.root / "tools/install.sh"
    installer.parent.mkdir()
    installer.write_text(
        'echo install >>"$CALLS"; venv=$(dirname "$0")/../.venv; mkdir -p "$venv/bin"\n'
        f'cp {recipe.python} "$venv/bin/python"; echo install.sh: some minutes\n'
        'echo "install.sh: ready: $venv/bin/python"\n'
    )
    installer.chmod(0o755)
    done = recipe.ok(python=False)
    assert recipe.calls[0] == "install" and recipe.commands[1:] == PIPELINE
    assert done.stderr == "install.sh: some minutes\n"
    assert "install.sh" not in done.stdout
    installer.write_text("echo install.sh: no Python found >&2; exit 1\n")
    done = recipe.run(python=False)
    assert done.returncode == 1 and recipe.calls == []
    assert done.stderr == "install.sh: no Python found\n"


def test_the_environment_of_the_commands(recipe):
    fault = recipe.faults / "make_mini"
    fault.write_text('echo "threads=$OMP_NUM_THREADS $PYTHONUNBUFFERED $TQDM_DISABLE"')
    recipe.ok("--num_threads", "3", "--stop_stage", "1")
    log = (recipe.dir / "data/mini/logs/stage_1.log").read_text()
    assert "threads=3 1 1" in log
