"""One unit of a recipe's work: its log, lock and stamp; done, gone on with, put aside.

It is planned as ``NUMBER[.PART] TITLE FOLDER WORD ...`` (egs2/TEMPLATE/stages.sh). The log is
``FOLDER/logs/stage_NUMBER.PART.log``, the stamp lies beside it. Words behind

- ``@reads`` are files and folders that the work depends on: it is done again when what is
  in them is another (of a folder, in the files that lie directly in it);
- ``@makes`` are files that are there afterwards, or else the work is done again;
- ``@needs`` are files that its work makes too, but does not do again to make;
- ``@runs`` are a command of :mod:`espnet_mtla.bin` and its arguments, of which those behind
  ``@free`` (processes, devices) do not change what comes out; there may be several;
- ``@trains`` are such a command that trains: it goes on where it was cut short, or where
  more epochs are asked for; one that would learn something else is begun anew, and the
  old one put aside;
- ``@finds`` are a folder and a pattern of what is read there, whatever is there then;
- ``@also`` are facts that the work depends on besides;
- ``@model`` are an option, a folder and a name: the work reads that model of a training;
  the option, if it is not empty, is the one by which a user chose it;
- ``@once`` has no words: a ``--stage`` of this number does not do the work again;
- ``@shows`` are a file that is printed in the end, and perhaps the line that its one line
  stands in, for ``{}``.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from espnet_mtla.errors import InputError
from espnet_mtla.nearest import did_you_mean
from espnet_mtla.recipe.older import commands, learnt_before
from espnet_mtla.recipe.process import Child
from espnet_mtla.recipe.record import Extent, digest, learnt, written
from espnet_mtla.recipe.stamp import Stamp

LISTS = ("reads", "makes", "needs", "finds", "also", "model", "shows", "once")
COMMANDS = ("runs", "trains", "free")


class Unit:
    """One unit, in the folder of its recipe.

    Args:
        argv: see the module's head.
    """

    def __init__(self, argv: Sequence[str]):
        self.name, self.title, folder, *words = argv
        self.number = self.name.partition(".")[0]
        self.folder = Path(folder)
        self.log = self.folder / "logs" / f"stage_{self.name}.log"
        self.stamp = Stamp(self.folder / "logs" / f".stage_{self.name}")
        self.words: dict[str, list[str]] = {name: [] for name in LISTS}
        self.commands: list[list[str]] = []
        self.counted: list[list[str]] = []
        self.trains = self.once = False
        keyword = ""
        for word in words:
            if word[:1] == "@" and word[1:] in (*LISTS, *COMMANDS):
                keyword = word[1:]
                self.once |= keyword == "once"
                if keyword in ("runs", "trains"):
                    self.commands.append([])
                    self.counted.append([])
                    self.trains = keyword == "trains"
            elif keyword in LISTS:
                self.words[keyword].append(word)
            else:
                self.commands[-1].append(word)
                if keyword != "free":
                    self.counted[-1].append(word)
        self.reads, self.makes = self.words["reads"], self.words["makes"]
        for _, training, model in self._models():
            self.reads[:0] = [f"{training}/config.yaml", f"{training}/{model}"]

    def _models(self) -> list[tuple[str, str, str]]:
        return list(zip(*(self.words["model"][i::3] for i in range(3))))

    def _check_models(self) -> None:
        """Refuse a model that a training does not have, with those that it has."""
        for option, training, model in self._models():
            folder = Path(training)
            if (folder / model).exists() or not (folder / "config.yaml").exists():
                continue
            if not option:
                raise InputError(
                    f"{training} has no {model}: its training (stage 11) is not finished"
                )
            there = sorted(
                path.relative_to(folder).as_posix()
                for path in folder.rglob("*.pth")
                if path.name != "checkpoint.pth"
            )
            raise InputError(
                f"--{option}: {training} has no {model}; its models: {' '.join(there)}"
            )

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"stage {self.number} ({self.title})"

    def say(self, text: str) -> None:
        """Print a line of the run's own."""
        print(f"stage {self.number}: {text}", flush=True)

    def key(self) -> tuple[str, Extent]:
        """Return what tells this work from another, and how far a training goes."""
        extent, counted = Extent(), self.counted
        if self.trains:
            counted, extent = learnt(self.counted[0])
        inputs = {name: digest(Path(name)) for name in [*self.reads, *self._found()]}
        record = json.dumps([counted, inputs, self.words["also"]], sort_keys=True)
        return hashlib.sha256(record.encode()).hexdigest(), extent

    def _found(self) -> list[str]:
        if not self.words["finds"]:
            return []
        folder, pattern = self.words["finds"]
        return sorted(map(str, Path(folder).glob(pattern)))

    def missing(self) -> str | None:
        """Return a file that it should have made and is not there."""
        return next((name for name in self.makes if not Path(name).exists()), None)

    def run(self, python: str, redo_from: int | None) -> None:
        """Do the work, unless it is done.

        Args:
            python: which runs the commands.
            redo_from: stage from which on finished work is done again; None for none.

        Raises:
            InputError: it failed; the line says why, and where its log is.
        """
        begin = time.monotonic()
        redo = redo_from is not None and redo_from + self.once <= int(self.number)
        self._check_models()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        # two runs (two decoders, say) share data: the second waits, then finds it done
        waiting = f"waiting for another run.sh that is in {self.title}"
        with self.stamp.locked(lambda: self.say(waiting)) as lock:
            key, extent = self.key()
            state, old, before = self.stamp.read(lambda: self._adopted(key))
            same = old == key
            reached = extent.reached(before)
            if state == "done" and same and reached and not (redo or self.missing()):
                self.stamp.write("done", key, before)  # in the place of an older stamp
                self.say(f"{self.title}: done already")
                self._check_needs()
                self._show()
                return
            self._check_inputs()
            goes_on = same and extent.goes_on_from(before)
            goes_on = goes_on and (state == "began" or not reached)
            if (
                self.trains
                and not goes_on
                and (self.folder / "checkpoint.pth").exists()
            ):
                self._put_aside()
            self.stamp.write("began", key, extent)
            self.say(f"{self.title} ... (log: {self.log})")
            self._run_commands(python, lock)
            if name := self.missing():
                self._made_no(name)
            self.stamp.write("done", key, extent)
        self.say(f"{self.title}: {time.monotonic() - begin:.0f} s")
        # what preparation counts and drops is for users to see
        if int(self.number) <= 5:
            for line in self.log.read_text("utf-8", "replace").splitlines():
                if not line.startswith("#"):
                    print(f"  {line}", flush=True)
        self._check_needs()
        self._show()

    def _check_inputs(self) -> None:
        """Refuse to begin, or to put anything aside, without an input."""
        for name in self.reads:
            if not Path(name).exists():
                near = nearest_beside(Path(name))
                said = f"error: {name} is missing{near}: run the earlier stages first"
                with open(self.log, "a", errors="surrogateescape") as log:
                    log.write(f"{said}\n")
                raise InputError(f"{self.where} failed: {said}; see {self.log}")

    def _check_needs(self) -> None:
        for name in self.words["needs"]:
            if not Path(name).exists():
                self._made_no(name)

    def _made_no(self, name: str) -> NoReturn:
        raise InputError(
            f"{self.where} failed: it made no {name}{self._why_not(name)}; see {self.log}"
        )

    def _show(self) -> None:
        if self.words["shows"]:
            file, *line = self.words["shows"]
            text = Path(file).read_text("utf-8")
            print(line[0].replace("{}", text.strip()) if line else text.rstrip("\n"))

    def _why_not(self, name: str) -> str:
        """Say why a file was not made, as far as log and neighbours tell."""
        folder = Path(name).parent
        for line in self.log.read_text("utf-8", "replace").splitlines():
            # of a folder that is there the line counts what was made
            if line.startswith(f"{folder.name}: ") and not folder.exists():
                return f": {line.partition(': ')[2]}"
        return nearest_beside(Path(name))

    def _adopted(self, key: str) -> tuple[str, Extent]:
        """Return this work's key and extent if an older log is of it, else none."""
        inputs = [*self.reads, *self._found()]
        newest = max((written(Path(name)) for name in inputs), default=0.0)
        logged = commands(self.log) if newest <= self.stamp.time() else []
        if not self.trains:
            return key if logged == self.commands else "", Extent()
        with suppress(OSError, ValueError, InputError):
            (command,) = logged
            then, extent = learnt_before(command, self.folder)
            return key if then == learnt(self.counted[0])[0] else "", extent
        return "", Extent()

    def _put_aside(self) -> None:
        """Keep a training that learnt something else, in a folder of its own."""
        name = f"{self.folder.name}.{time.strftime('%Y%m%d-%H%M%S')}"
        old = self.folder.parent / ".old" / name
        old.parent.mkdir(parents=True, exist_ok=True)
        self.folder.rename(old)
        try:
            self.stamp.come_back(old / "logs")
        except OSError:  # another is there, or there are no hard links
            raise InputError(
                f"{self.where}: the model is in {old}, but another run.sh has begun: run "
                "again"
            ) from None
        self.say(f"training anew; the model trained before is kept in {old}")

    def _run_commands(self, python: str, lock: int) -> None:
        with open(self.log, "w", errors="surrogateescape") as log:
            for command, *arguments in self.commands:
                words = [python, "-m", f"espnet_mtla.bin.{command}", *arguments]
                log.write(f"# {shlex.join(words)}\n")
                log.flush()
                # one that outlives us keeps the lock
                child = Child(
                    words, stdout=log, stderr=subprocess.STDOUT, pass_fds=[lock]
                )
                status = child.wait()
                if status:
                    self._fail(status)

    def _fail(self, status: int) -> None:
        found = re.findall(
            r"^(?:.*[^A-Za-z\n])?error: .*$|^[A-Za-z0-9_.]+(?:Error|Exception)(?::.*)?$",
            self.log.read_text("utf-8", "replace"),
            flags=re.MULTILINE,
        )
        reason = f": {found[-1]}" if found else ""
        if status < 0:
            reason = f": killed by signal {-status}"
        raise InputError(f"{self.where} failed{reason}; see {self.log}")


def nearest_beside(path: Path) -> str:
    """Return a hint, if a folder beside a missing one has nearly its name."""
    while path.parent != path and not path.parent.exists():
        path = path.parent
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    return "" if path.exists() else did_you_mean(path.name, [p.name for p in beside])
