"""Plans, and what stops a run, in one line."""

import errno
import io
import os
import signal
import sys
from pathlib import Path

import pytest

from espnet_mtla.errors import InputError
from espnet_mtla.recipe import run
from espnet_mtla.recipe.process import Stopped
from espnet_mtla.recipe.run import SETTING, Run
from espnet_mtla.recipe.stamp import Stamp

START = ("start", "python", "1", "", "false")
END = ("end",)
UNITS = [("unit", str(n), f"work {n}", "f", "@runs", f"command_{n}") for n in (3, 4, 5)]


def plan(*entries):
    words = [word for entry in entries for word in (str(len(entry)), *entry)]
    return "".join(f"{word}\0" for word in words).encode()


@pytest.fixture
def main(commands, monkeypatch):
    """Runs a plan of these entries."""

    def running(*entries):
        commands.calls.clear()
        stdin = io.TextIOWrapper(io.BytesIO(plan(*entries, END)))
        monkeypatch.setattr(sys, "stdin", stdin)
        run.main()

    monkeypatch.setattr(run, "heed_signals", lambda: None)
    for name in (*SETTING, "OMP_NUM_THREADS"):  # which are set
        monkeypatch.setenv(name, "")
    return running


def called(commands):
    return [call.partition("espnet_mtla.bin.")[2] for call in commands.calls]


def test_words_are_what_they_were():
    unit = ("unit", "3", "a title\nof two lines", "", "end", "7")
    assert list(run.entries(plan(START, unit, END))) == [list(START), list(unit)]


@pytest.mark.parametrize("cut", [0, 1, 30, -4])
def test_half_a_plan_is_refused(cut):
    whole = plan(START, ("note", "9", "nothing"), END)
    with pytest.raises(InputError, match="cut short"):
        list(run.entries(whole[:cut]))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line(number, main, monkeypatch):
    def write(*_):
        raise OSError(number, "no space")

    monkeypatch.setattr(Stamp, "write", write)
    with pytest.raises(SystemExit, match="^run.sh: the disk is full: free some space"):
        main(START, UNITS[0])


def test_units_are_done_in_order_and_notes_are_said(main, commands, capsys):
    main(START, UNITS[0], ("note", "2", "none"), ("note", "6-8", "no lm"), UNITS[1])
    assert called(commands) == ["command_3", "command_4"]
    assert commands.calls[0] == "python -m espnet_mtla.bin.command_3"
    out = capsys.readouterr().out.splitlines()
    assert out[2:4] == ["stage 2: none", "stages 6-8: no lm"]


def test_one_that_fails_is_the_last_and_the_next_run_goes_on_there(main, commands):
    commands.does = lambda log, *words: int(words[-1].endswith("4"))
    said = r"^run\.sh: stage 4 \(work 4\) failed; see f/logs/stage_4\.log$"
    with pytest.raises(SystemExit, match=said):
        main(START, *UNITS)
    assert called(commands) == ["command_3", "command_4"]
    commands.does = lambda *_: 0
    main(START, *UNITS)
    assert called(commands) == ["command_4", "command_5"]


def test_stages_are_done_again_from_the_one_that_is_named(main, commands):
    main(START, *UNITS)
    main(("start", "python", "1", "4", "false"), *UNITS)
    assert called(commands) == ["command_4", "command_5"]


def test_the_environment_of_the_commands(main):
    main(("start", "python", "7", "", "false"))
    names = ("OMP_NUM_THREADS", "PYTHONUNBUFFERED", "TQDM_DISABLE", "PYTHONUTF8")
    assert [os.environ[name] for name in names] == ["7", "1", "1", "1"]


def test_what_training_would_refuse_is_refused_before_any_work(main, commands):
    commands.does = lambda said, *_: said.write("x\nerror: no option 'strid'\n") and 1
    with pytest.raises(SystemExit, match=r"^run\.sh: no option 'strid'$"):
        main((*START, "--task", "st", "--train_args="), UNITS[0])
    assert called(commands) == ["check_recipe --task st --train_args="]
    assert not Path("f").exists()
    commands.does = lambda *_: 0
    main((*START, "--task", "st"), UNITS[0])
    assert called(commands) == ["check_recipe --task st", "command_3"]


def test_a_dry_run_checks_lists_all_and_does_nothing(main, commands, capsys):
    main(("start", "python", "1", "", "true", "--task", "st"), *UNITS)
    assert called(commands) == ["check_recipe --task st"]
    assert "stage 4: work 4 (log: f/logs/stage_4.log)\n" in capsys.readouterr().out
    assert not Path("f").exists()


@pytest.mark.parametrize(
    ("redo_from", "again"), [("", "the same command"), ("3", "--stage 4")]
)
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_an_interrupted_one_says_how_to_go_on(
    main, commands, capsys, redo_from, again, number, status
):
    """The same command would do again what ``--stage`` asked for."""

    def does(log, *words):
        if words[-1].endswith("4"):
            raise Stopped(number)

    commands.does = does
    with pytest.raises(SystemExit) as ended:
        main(("start", "python", "1", redo_from, "false"), *UNITS)
    assert ended.value.code == status
    assert called(commands) == ["command_3", "command_4"]
    assert capsys.readouterr().err == (
        f"run.sh: interrupted in stage 4 (work 4); {again} goes on from that stage\n"
    )
    commands.does = lambda *_: 0
    main(START, *UNITS)
    assert called(commands) == ["command_4", "command_5"]


def test_before_the_first_stage_it_says_so_too():
    interrupted = Run(START).interrupted()
    assert interrupted == (
        "run.sh: interrupted; the same command goes on from that stage"
    )
