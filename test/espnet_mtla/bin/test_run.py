"""What a person can mend is one line; a bug of ours keeps its traceback."""

import errno
import os
import subprocess
import sys

import pytest
import torch

from espnet_mtla.bin import run
from espnet_mtla.errors import InputError


def outcome(error):
    def command():
        raise error

    with pytest.raises(SystemExit) as stop:
        run(command)
    return stop.value.code


def test_bad_input_is_one_line():
    assert outcome(InputError("--nbpe 0: give more")) == "error: --nbpe 0: give more"


def test_a_full_disk_names_the_file():
    full = OSError(errno.ENOSPC, "No space left on device", "dump/a.flac")
    assert outcome(full) == (
        "error: the disk is full while writing dump/a.flac: free some space and run again"
    )


def test_a_checkpoint_on_a_full_disk():
    def save():
        torch.save({"w": torch.ones(100_000)}, "/dev/full")

    with pytest.raises(SystemExit) as stop:
        run(save)
    assert stop.value.code == "error: the disk is full: free some space and run again"


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes"), OSError(errno.EIO, "io"), KeyError("k")]
)
def test_anything_else_keeps_its_traceback(error):
    def command():
        raise error

    with pytest.raises(type(error)):
        run(command)


def test_success_is_status_0():
    with pytest.raises(SystemExit) as stop:
        run(lambda: None)
    assert stop.value.code == 0


@pytest.mark.parametrize("given", [None, "7"])
def test_threads_spin_shortly_unless_the_user_says_otherwise(given):
    env = {k: v for k, v in os.environ.items() if k != "GOMP_SPINCOUNT"}
    if given:
        env["GOMP_SPINCOUNT"] = given
    code = "import os, espnet_mtla.bin.st_train; print(os.environ['GOMP_SPINCOUNT'])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (given or "10000")
