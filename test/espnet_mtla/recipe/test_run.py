"""Plans, and what stops a run, in one line."""

import errno
import io
import sys

import pytest

from espnet_mtla.errors import InputError
from espnet_mtla.recipe import run
from espnet_mtla.recipe.stamp import Stamp


def plan(*entries):
    words = [word for entry in entries for word in (str(len(entry)), *entry)]
    return "".join(f"{word}\0" for word in words).encode()


START = ("start", sys.executable, "1", "", "false")


def test_words_are_what_they_were():
    unit = ("unit", "3", "a title\nof two lines", "", "end", "7")
    assert list(run.entries(plan(START, unit, ("end",)))) == [list(START), list(unit)]


@pytest.mark.parametrize("cut", [0, 1, 30, -4])
def test_half_a_plan_is_refused(cut):
    whole = plan(START, ("note", "9", "nothing"), ("end",))
    with pytest.raises(InputError, match="cut short"):
        list(run.entries(whole[:cut]))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line(number, monkeypatch, tmp_path):
    def write(*_):
        raise OSError(number, "no space")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Stamp, "write", write)
    stdin = io.TextIOWrapper(io.BytesIO(plan(START, ("unit", "1", "x", "f"), ("end",))))
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(SystemExit, match="^run.sh: the disk is full: free some space"):
        run.main()
