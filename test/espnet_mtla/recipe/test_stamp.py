"""Stamps: what they keep, and two runs at once."""

import threading
import time
from pathlib import Path

import pytest

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.record import Extent
from espnet_mtla.recipe.stamp import Stamp
from espnet_mtla.recipe.unit import Unit


def refused():
    raise AssertionError


def test_what_is_written_is_read_in_the_file_that_is_locked(tmp_path):
    stamp = Stamp(tmp_path / "stamp")
    with stamp.locked(refused) as lock:
        assert lock > 2
        inode, sizes = stamp.path.stat().st_ino, set()
        for written in [
            ("began", "k" * 64, Extent(3, None, 5)),
            ("done", "", Extent()),
        ]:
            stamp.write(*written)
            assert stamp.read(refused) == written
            sizes.add(stamp.path.stat().st_size)
        assert stamp.path.stat().st_ino == inode and len(sizes) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"state": "done"}', "3"])
def test_one_that_says_nothing_is_of_no_work(tmp_path, text):
    (tmp_path / "stamp").write_text(text)
    assert Stamp(tmp_path / "stamp").read(refused) == ("", "", Extent())


@pytest.mark.parametrize("state", ["began", "done"])
def test_of_an_earlier_version_its_state_counts(tmp_path, state):
    (tmp_path / "stamp").write_text(f"{state} {'0' * 64}\n")
    adopted = ("k", Extent(2))
    assert Stamp(tmp_path / "stamp").read(lambda: adopted) == (state, *adopted)


def test_it_comes_back_as_the_file_that_is_locked(tmp_path):
    (tmp_path / "exp/logs").mkdir(parents=True)
    stamp = Stamp(tmp_path / "exp/logs/.stage")
    stamp.path.write_text("done")
    inode = stamp.path.stat().st_ino
    moved = tmp_path / "old"
    stamp.path.parent.parent.rename(moved)
    stamp.come_back(moved / "logs")
    assert stamp.path.stat().st_ino == inode
    kept = moved / "logs/.stage"
    assert kept.read_text() == "done" and kept.stat().st_ino != inode


class TwoRuns:
    """The second of which begins while the command of the first is at work."""

    def __init__(self, commands, capsys, *words):
        self.words, self.errors = words, []
        begun, ends = threading.Event(), threading.Event()
        commands.does = lambda *_: begun.set() or ends.wait(20) and 0
        threads = [threading.Thread(target=self.run) for _ in "12"]
        threads[0].start()
        assert begun.wait(20)
        threads[1].start()
        self.said, until = "", time.monotonic() + 20
        while "waiting" not in self.said and time.monotonic() < until:
            time.sleep(0.01)
            self.said += capsys.readouterr().out
        ends.set()
        for thread in threads:
            thread.join(20)
        self.said += capsys.readouterr().out

    def run(self):
        try:
            Unit(self.words).run("python", None)
        except InputError as e:
            self.errors.append(str(e))


def test_a_second_run_waits_for_the_first_and_finds_it_done(commands, capsys):
    runs = TwoRuns(
        commands, capsys, "1.de", "data preparation", "f", "@runs", "prepare"
    )
    waiting = "stage 1: waiting for another run.sh that is in data preparation\n"
    assert waiting in runs.said
    assert "stage 1: data preparation: done already\n" in runs.said
    assert len(commands.calls) == 1 and runs.errors == []


def test_two_runs_at_once_train_anew_once(commands, capsys):
    """The model that is put aside takes no lock with it."""
    Path("c.yaml").write_text("max_epoch: 1\n")
    words = ("11", "training", "exp/st", "@trains", "st_train", "--config", "c.yaml")
    Unit(words).run("python", None)
    Path("exp/st/checkpoint.pth").touch()
    Path("c.yaml").write_text("optim: sgd\n")
    commands.calls.clear()
    runs = TwoRuns(commands, capsys, *words)
    assert "training anew" in runs.said and "training: done already" in runs.said
    assert len(commands.calls) == 1 and len(list(Path("exp/.old").iterdir())) == 1


def test_where_another_has_begun_meanwhile_both_say_so(commands, monkeypatch):
    Path("c.yaml").write_text("max_epoch: 1\n")
    words = ("11", "training", "exp/st", "@trains", "st_train", "--config", "c.yaml")
    Unit(words).run("python", None)
    Path("exp/st/checkpoint.pth").touch()

    def come_back(self, moved):
        raise FileExistsError

    monkeypatch.setattr(Stamp, "come_back", come_back)
    with pytest.raises(
        InputError, match=r"in exp/\.old/st\S+, but another run\.sh has"
    ):
        Unit(words).run("python", 1)
