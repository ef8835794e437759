"""Recipes that fail, are interrupted or are refused (see conftest.py)."""

import os
import re
import shutil
import signal
import subprocess
import time

import psutil
import pytest

EXP = "exp/mini/st_train_st_mini_mtla"


def alive(pid):
    return (
        psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    )


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


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
    units = "data/mini/en-de_token_list/tgt_bpe_unigram300_tc_de"
    log = f"{units}/logs/stage_5.log"
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
    assert recipe.commands == recipe.rest("tokens")


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


def test_a_mistyped_set_is_told_from_those_that_are_there(recipe):
    done = recipe.run("--train_set", "train.en_de")
    assert done.returncode == 1 and recipe.commands == ["make_mini", "prepare_must_c"]
    assert done.stderr == (
        "run.sh: stage 1 (data preparation) failed: it made no"
        " data/mini/train.en_de/wav.scp (did you mean 'train.en-de'?);"
        " see data/mini/logs/stage_1.de.log\n"
    )
    recipe.ok("--stop_stage", "1")
    done = recipe.run("--stage", "3", "--test_sets", "tst-HE.en_de")
    assert "tst-HE.en_de is missing (did you mean 'tst-HE.en-de'?)" in done.stderr


def test_why_a_set_was_not_made_is_said(recipe):
    fault = 'echo "train.x: not made, without /disk/x"; exit'
    (recipe.faults / "prepare_must_c").write_text(fault)
    done = recipe.run("--train_set", "train.x")
    assert (
        "made no data/mini/train.x/wav.scp: not made, without /disk/x;" in done.stderr
    )


def test_more_units_than_the_texts_give_are_refused_before_audio_is_formatted(recipe):
    fault = "echo 'error: --nbpe 999 is too large: at most 60 works'; exit 1"
    (recipe.faults / "tokens").write_text(fault)
    done = recipe.run("--nbpe", "999")
    assert recipe.commands == ["make_mini", "prepare_must_c", "tokens"]
    assert "stage 1 (whether there are so many units of text) failed" in done.stderr
    text = "data/mini/train.en-de/text.tc.de"
    assert recipe.calls[-1] == f"tokens --text {text} --nbpe 999 --bpemode unigram"


def test_a_dry_run_lists_all_and_does_nothing(recipe):
    done = recipe.ok("--dry_run", "true")
    assert recipe.calls == [] and not (recipe.dir / "data").exists()
    assert "--config conf/train_st_mini.yaml" in recipe.checked
    assert f"stage 11: training (log: {EXP}/logs/stage_11.log)" in done.stdout


def test_a_mistyped_model_does_not_train_again(finished):
    done = finished.run("--inference_st_model", "valid.acc.avg.pth")
    assert done.returncode == 1 and finished.calls == []
    assert done.stderr == (
        f"run.sh: --inference_st_model: {EXP} has no valid.acc.avg.pth;"
        " its models: valid.acc.ave.pth valid.loss.ave.pth valid.loss.best.pth\n"
    )
    assert (finished.dir / EXP / "checkpoint.pth").exists()


def test_decoding_before_training_is_finished(finished):
    (finished.dir / EXP / "valid.acc.ave.pth").unlink()
    done = finished.run("--stage", "12")
    assert done.returncode == 1 and finished.calls == []
    assert done.stderr == (
        f"run.sh: {EXP} has no valid.acc.ave.pth: its training (stage 11) is not finished\n"
    )


def interrupted(recipe, command, *options):
    """What a run says that is interrupted in a command, which is ended too."""
    fault, pid_file = recipe.faults / command, recipe.root.with_name("pid")
    fault.write_text(
        f"echo $$ >{pid_file}.tmp; mv {pid_file}.tmp {pid_file}; sleep 60 & wait"
    )
    run = recipe.start(*options)
    wait_for(pid_file.exists)
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=20)
    assert run.returncode == 130
    wait_for(lambda: not alive(int(pid_file.read_text())))
    fault.unlink()
    return stderr


def test_an_interrupt_ends_the_command_and_the_rerun_goes_on(recipe):
    assert interrupted(recipe, "filter_data") == (
        "run.sh: interrupted in stage 4 (filter train.en-de);"
        " the same command goes on from that stage\n"
    )
    recipe.ok()
    assert recipe.commands == recipe.rest("filter_data")


def test_going_on_does_not_redo_what_stage_asked_for(finished):
    """The same command would put the new model aside and train a third one."""
    assert interrupted(finished, "st_inference", "--stage", "11") == (
        "run.sh: interrupted in stage 12 (decoding tst-COMMON.en-de);"
        " --stage 12 goes on from that stage\n"
    )
    finished.ok("--stage", "12")
    assert finished.commands == finished.rest("st_inference")


def test_an_interrupt_of_the_pretraining_waits_for_it_and_says_one_thing(recipe):
    recipe.ok("--stop_stage", "9")
    stderr = interrupted(recipe, "asr_train", "--pretrain_asr", "true", "--stage", "10")
    assert stderr == (
        "run.sh: interrupted in stage 10 (pretraining);"
        " --stage 10 goes on from that stage\n"
    )


def test_what_cannot_work_is_refused_before_any_work(recipe):
    assert (
        recipe.refused("--test_sets", " ") == "run.sh: --test_sets: name at least one"
    )
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
        "run.sh: no decoder 'mlta' (did you mean 'mtla'?);"
        " there are: gqa mha mla mqa mtla"
    )
    assert recipe.refused("--decoder_args", "temporal_strid=4") == (
        "run.sh: no option 'temporal_strid'"
    )
    assert recipe.refused("--audio_format", "mp3") == (
        "run.sh: --audio_format is flac or wav, not 'mp3'"
    )
    assert recipe.refused("--tgt_lang", "fr") == (
        "run.sh: --tgt_lang fr: the mini corpus has de alone"
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
    assert recipe.calls[0] == "install" and recipe.commands[1:] == recipe.PIPELINE
    assert done.stderr == "install.sh: some minutes\n"
    assert "install.sh" not in done.stdout
    installer.write_text("echo install.sh: no Python found >&2; exit 1\n")
    done = recipe.run(python=False)
    assert done.returncode == 1 and recipe.calls == []
    assert done.stderr == "install.sh: no Python found\n"


def test_a_run_under_nohup_outlives_its_terminal(recipe):
    pid_file = recipe.root.with_name("pid")
    fault = recipe.faults / "filter_data"
    fault.write_text(f"echo $$ >{pid_file}.tmp; mv {pid_file}.tmp {pid_file}; sleep 1")
    command = ["nohup", recipe.dir / "run.sh", *recipe.options("--stop_stage", "4")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    recipe.calls_file.write_text("")
    run = subprocess.Popen(command, env=recipe.env, start_new_session=True, **pipes)
    wait_for(pid_file.exists)
    os.killpg(run.pid, signal.SIGHUP)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 0, out
    assert recipe.commands[-1] == "filter_data"


def test_a_python_that_is_named_is_enough(recipe):
    """Where no other one is found."""
    tools = recipe.root.with_name("tools")
    tools.mkdir()
    for name in ("bash", "dirname", "cat", "env", "mkdir", "cksum", "sed", "touch"):
        (tools / name).symlink_to(shutil.which(name))
    recipe.env["PATH"] = str(tools)
    done = recipe.run("--stop_stage", "1")
    assert done.returncode == 0, done.stderr
    assert recipe.commands == ["make_mini", "prepare_must_c"]
