"""Processes that a signal to us ends, whenever it comes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asks to end; its number."""


class Child:
    """A process in a session of its own, which ends with a :class:`Stopped`.

    Args:
        words: of the command.
        whole: whether all of its processes are ended, or the first, which ends the others.
        options: of ``subprocess.Popen``.
    """

    starting = False
    pending: int | None = None

    def __init__(self, words: Sequence[str | Path], whole: bool = True, **options):
        Child.starting = True  # between its start and its name it could not be ended
        self.whole = whole
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, start_new_session=True, **options
        )

    def wait(self) -> int:
        """Wait for its end; its exit status, negative when a signal ended it.

        Raises:
            Stopped: a signal asked us to end; the process and its children have.
        """
        try:
            Child.starting = False
            if Child.pending is not None:
                raise Stopped(Child.pending)
            return self.process.wait()
        except Stopped:
            with suppress(ProcessLookupError):
                end = os.killpg if self.whole else os.kill
                end(self.process.pid, signal.SIGTERM)
            self.process.wait()
            raise


def _stop(number: int, _frame: object) -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    if Child.starting:
        Child.pending = number
    else:
        raise Stopped(number)


def heed_signals() -> None:
    """Have signals raise :class:`Stopped`, but those that are ignored, as by nohup."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
