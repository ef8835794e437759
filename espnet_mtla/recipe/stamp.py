"""The stamp of a unit of work: what was done last, and the lock of who is at it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from espnet_mtla.recipe.record import Extent


class Stamp:
    """A file that says what was begun or done, locked by the run that is at it.

    Args:
        path: of the file, in a folder that is there.
    """

    def __init__(self, path: Path):
        self.path = path

    @contextmanager
    def locked(self, wait: Callable[[], None]) -> Iterator[int]:
        """Hold the lock; its file descriptor.

        Args:
            wait: is called before it waits for another run.
        """
        with open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                wait()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock.fileno()

    def time(self) -> float:
        """Return when it was written."""
        return self.path.stat().st_mtime

    def read(
        self, adopted: Callable[[], tuple[str, Extent]]
    ) -> tuple[str, str, Extent]:
        """Return ``began`` or ``done``, the work's key, and its extent.

        Args:
            adopted: returns key and extent of a stamp of a version up to 0.2.1, which
                held another hash: days of training are not begun anew because of an
                upgrade.
        """
        text = self.path.read_text()
        if text.startswith(("began ", "done ")):
            return text.split()[0], *adopted()
        with suppress(ValueError, KeyError, TypeError):
            stamp = json.loads(text)
            return stamp["state"], stamp["key"], Extent(*stamp["extent"])
        return "", "", Extent()

    def write(self, state: str, key: str, extent: Extent) -> None:
        """Write what :meth:`read` returns.

        In place, since the file that is locked stays; in one call and of one length, so
        that a kill leaves the old text or the new.
        """
        text = json.dumps({"state": state, "key": key, "extent": extent}).ljust(255)
        stamp = os.open(self.path, os.O_WRONLY)
        os.pwrite(stamp, f"{text}\n".encode(), 0)
        os.close(stamp)

    def come_back(self, moved: Path) -> None:
        """Stand where it stood, after its folder was moved to ``moved``.

        The same file does, whose lock this run holds; what moved gets a copy.

        Raises:
            OSError: another is there, or there are no hard links.
        """
        its = moved / self.path.name
        text = its.read_bytes()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.link(its, self.path)
        its.unlink()
        its.write_bytes(text)
