"""Plans of recipes: what a run.sh hands over, read back."""

import os
import re
import shlex
import signal
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from espnet_mtla.recipe.run import entries
from espnet_mtla.recipe.unit import Unit

ROOT = Path(__file__).resolve().parents[2]

PYTHON = f"""#!/bin/sh
if [ "$2" = espnet_mtla.recipe.run ]; then exec cat >"$PLAN"; fi
exec {sys.executable} "$@"
"""
"""A Python that keeps the plan in the place of doing it."""


class Plan:
    """Entries of a plan, and what depends on what.

    Attributes:
        units: all of them, but for those :attr:`tried`.
        tried: those of stage 1 that try whether there are so many units of text.
        sources: of each unit's log: what the unit reads, and the log of the unit before it
            that makes that, or something beside it; None where there is none.
        behind: of each unit's log: the logs of all units on whose work it depends.
    """

    def __init__(self, plan: bytes):
        self.start, *rest = entries(plan)
        planned = [Unit(words) for what, *words in rest if what == "unit"]
        self.tried = [u for u in planned if u.title.startswith("whether")]
        self.units = [unit for unit in planned if unit not in self.tried]
        self.notes = [tuple(words) for what, *words in rest if what == "note"]
        self.redo_from, self.dry_run = self.start[3:5]
        self.checked = self.start[5:]
        self.calls = [" ".join(c) for unit in self.units for c in unit.commands]
        self.commands = [call.split()[0] for call in self.calls]
        self.sources, self.behind, makers = {}, {}, {}
        for unit in planned:
            finds, log = "/".join(unit.words["finds"]), str(unit.log)
            found = {name: by for name, by in makers.items() if fnmatch(name, finds)}
            for place in unit.reads:
                found[place] = makers.get(place) or makers.get(os.path.dirname(place))
            direct = set(filter(None, found.values()))
            self.sources[log] = found
            self.behind[log] = direct.union(*(self.behind[by] for by in direct))
            for name in (*unit.makes, *unit.words["needs"]):
                makers[name] = makers[os.path.dirname(name)] = log

    def unit(self, name):
        (found,) = [unit for unit in self.units if unit.name == name]
        return found

    def call(self, command, nth=0):
        return [c for c in self.calls if c.split()[0] == command][nth]

    def commands_from(self, units):
        """The commands of units, and of all that depend on their work."""
        logs = {str(unit.log) for unit in units}
        again = [u for u in self.units if logs & {str(u.log), *self.behind[str(u.log)]}]
        return [command[0] for unit in again for command in unit.commands]

    def commands_after(self, other):
        """The commands that this plan does where another one was done before."""
        known = {str(unit.log): unit.key() for unit in other.units}
        new = [unit for unit in self.units if known.get(str(unit.log)) != unit.key()]
        return self.commands_from(new)


class Planner:
    """Has recipes plan, each with its options once."""

    def __init__(self, tmp: Path):
        self.file, self.python, self.found = tmp / "plan", tmp / "python", {}
        self.python.write_text(PYTHON)
        # Nobody's GPU takes part.
        (tmp / "nvidia-smi").write_text("#!/bin/sh\nexit 1\n")
        for path in (self.python, tmp / "nvidia-smi"):
            path.chmod(0o755)
        path = f"{tmp}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.env = {**os.environ, "PATH": path, "PLAN": str(self.file)}

    def __call__(self, name, *options, mini=True, cwd=None):
        options = (*(("--mini", "true") if mini else ()), *options)
        key = name, options, cwd
        if key not in self.found:
            self.file.unlink(missing_ok=True)
            run = ROOT / "egs2" / name / "run.sh"
            done = subprocess.run(
                [run, "--python", self.python, *options],
                env=self.env,
                cwd=cwd,
                text=True,
                capture_output=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            self.found[key] = Plan(self.file.read_bytes())
        return self.found[key]


@pytest.fixture(scope="session")
def plan(tmp_path_factory):
    """A function of a recipe's name and options (and ``mini``, ``cwd``): its plan."""
    return Planner(tmp_path_factory.mktemp("plan"))


@pytest.fixture
def corpus(tmp_path):
    """A folder in the place of a real corpus."""
    (tmp_path / "corpus").mkdir()
    return str(tmp_path / "corpus")


def documented():
    """Recipe (``.`` for reproduce.sh) and words of each command of a page."""
    pages = ["README.md", "egs2/README.md", "docs/training.md", "CONTRIBUTING.md"]
    for page in [*map(ROOT.joinpath, pages), *ROOT.glob("egs2/*/*/README.md")]:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if re.match(r"[a-z0-9_/.]*(run|reproduce)\.sh ", line):
                    script, *words = shlex.split(line, comments=True)
                    here = ROOT if "egs2" in script else page.parent
                    folder = (here / script).resolve().parent
                    yield folder.relative_to(ROOT / "egs2").as_posix(), *words


@pytest.fixture
def all_documented():
    return sorted(set(documented()))


def pytest_generate_tests(metafunc):
    for name, of_recipes in (
        ("documented_run", True),
        ("documented_reproduction", False),
    ):
        if name in metafunc.fixturenames:
            found = [
                c for c in sorted(set(documented())) if (c[0] != ".") == of_recipes
            ]
            metafunc.parametrize(name, found, ids=" ".join)


@pytest.fixture
def documented_plan(documented_run, plan, tmp_path, monkeypatch):
    """That of a command of a page, where it is run."""
    name, *words = documented_run
    for i, word in enumerate(words):
        # corpora are there, and models that others trained
        if word.startswith(("/path/to/", "/data/")) or word.endswith(".pth"):
            path = tmp_path / Path(word).name
            path.touch() if path.suffix else path.mkdir()
            words[i] = str(path)
    monkeypatch.chdir(ROOT / "egs2" / name)
    return plan(name, *words, mini=False)


@pytest.fixture(autouse=True, scope="session")
def interruptible():
    """Recipes can be interrupted though the shell runs the tests in the background.

    Such a shell has its jobs ignore SIGINT, which their children inherit, and which
    Bash does not undo.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
