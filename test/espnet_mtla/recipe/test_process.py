"""Processes that end when we are told to."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from espnet_mtla.recipe.process import Child, Stopped

ROOT = Path(__file__).resolve().parents[3]
SLEEPS = """
import signal
from espnet_mtla.recipe.process import Child, Stopped, heed_signals
for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:  # nohup ignores one
    signal.signal(number, signal.default_int_handler)
heed_signals()
try:
    print("ended with", Child(["sh", "-c", "echo $$; sleep 60 >&2 & wait"], whole={}).wait())
except Stopped as e:
    print("stopped", *map(int, e.args))
"""


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def ended(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", -9)]
)
def test_how_it_ended(script, status):
    assert Child(["sh", "-c", script]).wait() == status


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_us_ends_it(whole, number):
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPS.format(whole)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    pid = int(process.stdout.readline())
    wait_for(psutil.Process(pid).children)
    (sleep,) = psutil.Process(pid).children()
    process.send_signal(number)
    assert process.communicate(timeout=20)[0] == f"stopped {int(number)}\n"
    assert ended(pid)
    if whole:
        wait_for(lambda: ended(sleep.pid))
    else:  # its own affair
        assert not ended(sleep.pid)
        sleep.kill()


def test_a_signal_while_it_starts_ends_it(monkeypatch):
    child = Child(["sleep", "60"])
    assert Child.starting
    monkeypatch.setattr(Child, "pending", signal.SIGTERM)
    with pytest.raises(Stopped):
        child.wait()
    assert child.process.returncode == -signal.SIGTERM and not Child.starting


def test_it_stands_in_a_session_of_its_own():
    """So that a terminal's interrupt comes once, through us."""
    child = Child(["sleep", "60"])
    assert os.getsid(child.process.pid) == child.process.pid
    child.process.kill()
    assert child.wait() == -signal.SIGKILL
    assert Child(["sh", "-c", "read line"]).wait() == 1  # nothing is typed into it
