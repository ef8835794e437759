"""egs2/reproduce.sh as a process; what it runs: test/espnet_mtla/recipe/test_reproduce.py."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(tmp_path):
    """Starts one, whose only recipe does what a script says."""
    egs2 = tmp_path / "clone/egs2"
    (egs2 / "TEMPLATE").mkdir(parents=True)
    shutil.copy(ROOT / "egs2/TEMPLATE/python.sh", egs2 / "TEMPLATE")
    shutil.copy(ROOT / "egs2/reproduce.sh", egs2)
    (egs2.parent / "espnet_mtla").symlink_to(ROOT / "espnet_mtla")
    shutil.copytree(ROOT / "conf/decoder", egs2.parent / "conf/decoder")
    run = egs2 / "must_c/st1/run.sh"
    run.parent.mkdir(parents=True)

    def started(*options, script="", **how):
        run.write_text(
            f'#!/usr/bin/env bash\n[[ "$*" != *dry_run* ]] || exit 0\n{script}'
        )
        run.chmod(0o755)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        words = [egs2 / "reproduce.sh", *options]
        return subprocess.Popen(words, **pipes, **how)

    return started


MINI = ("--mini", "true", "--recipes", "must_c/st1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_recipe_and_ends_all(start, tmp_path, number):
    began, ended = tmp_path / "began", tmp_path / "ended"
    process = start(
        *MINI,
        script=f"trap 'echo x >>{ended}; exit 143' TERM; touch {began}\n"
        "while :; do sleep 0.05; done",
    )
    until = time.monotonic() + 20
    while not began.exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert err == "reproduce.sh: interrupted; the same command goes on\n"
    assert ended.read_text() == "x\n"


def test_from_options_to_the_tables(start):
    out, err = start(
        *MINI, "--decoders", "mha mla:q_lora_rank=64", script='echo "$@"; exit 0'
    ).communicate(timeout=20)
    assert err == ""
    assert [line for line in out.splitlines() if line[:2] != "=="] == [
        "--mini true --decoder mha --seed 1",
        "--mini true --decoder mla --decoder_args q_lora_rank=64 --seed 1",
        "no table yet",
    ]
    process = start(*MINI, script="echo no >&2; exit 3")
    assert "failed: must_c/st1 mha, seed 1;" in process.communicate(timeout=20)[1]
    assert process.returncode == 1


def test_modules_of_where_the_user_is_are_not_read(start, tmp_path):
    for name in ("dataclasses", "select", "espnet_mtla"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('another')")
    out, err = start("--help", cwd=tmp_path).communicate(timeout=20)
    assert err == "" and out.startswith("Usage: reproduce.sh")
