"""What a person can mend is one line; a bug of ours keeps its traceback."""

import errno

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
