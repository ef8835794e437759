"""Runs what the stages of a recipe planned, one unit behind the other.

    python -m espnet_mtla.recipe.run <PLAN

The plan is what ``plan`` of egs2/TEMPLATE/stages.sh prints: entries, each the number of its words
and the words, with a zero byte behind each. It begins with ``start``, the Python of all
commands, their threads, from which stage on finished work is done again, whether all is
only listed, and the arguments of ``bin/check_recipe``. It goes on with ``unit`` and ``note``; ``end`` says
that it is whole.
"""

from __future__ import annotations

import errno
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from tempfile import TemporaryFile

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.process import Child, Stopped, heed_signals
from espnet_mtla.recipe.unit import Unit

SETTING = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "TQDM_DISABLE": "1"}
"""Of the environment of all commands."""


def entries(plan: bytes) -> Iterator[list[str]]:
    """Yield the entries of a plan, but its end.

    Raises:
        InputError: it was cut short.
    """
    words = iter(plan.split(b"\0"))
    while size := next(words, b""):
        entry = [os.fsdecode(word) for word in islice(words, int(size))]
        if entry == ["end"]:
            return
        yield entry
    raise InputError("the plan of the stages was cut short: run again")


class Run:
    """A run of a recipe, in its folder.

    Args:
        start: the plan's first entry.
    """

    def __init__(self, start: Sequence[str]):
        _, self.python, threads, redo_from, dry_run, *self.checked = start
        os.environ.update(SETTING, OMP_NUM_THREADS=threads)
        self.redo_from = int(redo_from) if redo_from else None
        self.dry_run = dry_run == "true"
        self.unit: Unit | None = None

    def check(self) -> None:
        """Refuse what a later stage would refuse, not after hours of preparation.

        Raises:
            InputError: what :mod:`espnet_mtla.bin.check_recipe` says.
        """
        if not self.checked:
            return
        words = [self.python, "-m", "espnet_mtla.bin.check_recipe", *self.checked]
        with TemporaryFile("w+", errors="replace") as said:
            if status := Child(words, stdout=subprocess.DEVNULL, stderr=said).wait():
                said.seek(0)
                last = said.read().strip().rpartition("\n")[2]
                last = last or f"the check of the options ended with status {status}"
                raise InputError(last.removeprefix("error: "))

    def do(self, what: str, *words: str) -> None:
        """Do one entry.

        Raises:
            InputError: it failed.
        """
        if what == "note":
            number, text = words
            print(f"stage{'s' if '-' in number else ''} {number}: {text}", flush=True)
            return
        self.unit = unit = Unit(words)
        if self.dry_run:
            unit.say(f"{unit.title} (log: {unit.log})")
            for command, *arguments in unit.commands:
                print(f"  python -m espnet_mtla.bin.{command} {shlex.join(arguments)}")
            return
        unit.run(self.python, self.redo_from)

    def interrupted(self) -> str:
        """Say how to go on."""
        where, again = "", "the same command"
        if self.unit:
            where = f" in {self.unit.where}"
            # the same --stage would do again what was finished since
            if self.redo_from is not None:
                again = f"--stage {self.unit.number}"
        return f"run.sh: interrupted{where}; {again} goes on from that stage"


def main() -> None:
    """Run the plan on standard input."""
    heed_signals()
    run = None
    try:
        start, *rest = entries(sys.stdin.buffer.read())
        run = Run(start)
        run.check()
        for entry in rest:
            run.do(*entry)
    except InputError as e:
        sys.exit(f"run.sh: {e}")
    except BrokenPipeError:  # nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as e:
        if e.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit("run.sh: the disk is full: free some space and run again")
    except Stopped as e:
        print(run.interrupted() if run else "run.sh: interrupted", file=sys.stderr)
        sys.exit(130 if e.args[0] == signal.SIGINT else 143)


if __name__ == "__main__":
    main()
