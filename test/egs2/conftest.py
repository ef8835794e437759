"""Plans of recipes, their units done by commands that only write, and real runs.

What a recipe decides is in the plan that its run.sh hands over. So a plan is read here, and
what a rerun does again is found out in this process, without a command of the package.
"""

import hashlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from espnet_mtla.recipe import run as run_module
from espnet_mtla.recipe import unit as unit_module
from espnet_mtla.recipe.run import SETTING, Run, entries
from espnet_mtla.recipe.unit import Unit
from espnet_mtla.variant import VARIANTS

ROOT = Path(__file__).resolve().parents[2]

PYTHON = """#!/bin/sh
if [ "$2" = espnet_mtla.recipe.run ]; then exec cat >"$PLAN"; fi
exec {} "$@"
"""
"""A Python that keeps the plan in the place of doing it."""


class Plan:
    """What a run.sh hands over to espnet_mtla.recipe.run."""

    def __init__(self, plan: bytes):
        self.start, *self.rest = entries(plan)
        self.units = [Unit(words) for what, *words in self.rest if what == "unit"]
        self.notes = [tuple(words) for what, *words in self.rest if what == "note"]
        self.redo_from, self.dry_run = self.start[3:5]
        self.checked = self.start[5:]
        self.calls = [" ".join(c) for unit in self.units for c in unit.commands]
        self.commands = [call.split()[0] for call in self.calls]

    def unit(self, name):
        (found,) = [unit for unit in self.units if unit.name == name]
        return found

    def call(self, command, nth=0):
        return [c for c in self.calls if c.split()[0] == command][nth]


class Planner:
    """Has recipes plan, each with its options once."""

    def __init__(self, tmp: Path):
        self.file, self.python, self.found = tmp / "plan", tmp / "python", {}
        self.python.write_text(PYTHON.format(sys.executable))
        # Nobody's GPU takes part.
        (tmp / "nvidia-smi").write_text("#!/bin/sh\nexit 1\n")
        for path in (self.python, tmp / "nvidia-smi"):
            path.chmod(0o755)
        path = f"{tmp}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.env = {**os.environ, "PATH": path, "PLAN": str(self.file)}

    def recipe(self, name):
        return ROOT / "egs2" / name

    def run(self, name, *options, **how):
        """The finished run.sh."""
        self.file.unlink(missing_ok=True)
        words = [self.recipe(name) / "run.sh", "--python", self.python, *options]
        how = {"env": self.env, "text": True, "capture_output": True} | how
        return subprocess.run(words, check=False, timeout=300, **how)

    def __call__(self, name, *options, mini=True, cwd=None):
        options = (*(("--mini", "true") if mini else ()), *options)
        key = name, options, cwd
        if key not in self.found:
            done = self.run(name, *options, cwd=cwd)
            assert done.returncode == 0, done.stdout + done.stderr
            self.found[key] = Plan(self.file.read_bytes())
        return self.found[key]


@pytest.fixture(scope="session")
def plan(tmp_path_factory):
    """A function of a recipe's name and options (and ``mini``, ``cwd``): its plan."""
    return Planner(tmp_path_factory.mktemp("plan"))


TEXTS = ("text", "text.entities", "text.tc.de", "text.tc.fr", "text.lc.rm.en")
CUT = ("text", "src_text_shape", "text_shape")
BESIDE = {
    "wav.scp": (*TEXTS, "utt2num_samples"),
    "src_text": CUT,
    "config.yaml": ("valid.acc.ave.pth", "valid.loss.ave.pth", "valid.loss.best.pth"),
}
"""What comes with a file that a unit makes."""
NO_MATTER = ("--out", "--output_dir", "--nj", "--ngpu", "--multiprocessing_distributed")
"""Options on which it does not depend what a command writes."""


class Work:
    """A recipe whose units are done, by commands that only write.

    What is in their files follows from the command and from what it is told to read; what
    stages 12 and 13 measure is another each time.
    """

    def __init__(self, tmp: Path, name: str, plan: Planner):
        self.name, self.plan, self.did = name, plan, []
        self.dir = tmp / "clone/egs2" / name
        self.dir.mkdir(parents=True)
        for path in [*ROOT.glob("egs2/*/*/conf/*.yaml"), *ROOT.glob("conf/**/*.yaml")]:
            copy = tmp / "clone" / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text("max_epoch: 1\n")
        for variant in VARIANTS:
            fragment = tmp / f"clone/conf/decoder/{variant}.yaml"
            fragment.write_text(f"decoder: {variant}\n")

    def __call__(self, *options, mini=True):
        """The commands that were run, with these options."""
        plan = self.plan(self.name, *options, mini=mini)
        self.did, self.run = [], Run(plan.start)
        for entry in plan.rest:
            self.run.do(*entry)
        return [call.split()[0] for call in self.did]

    def command(self, words, **_):
        """Note down a command of the unit that is at work, in the place of ``Child``."""
        words = [words[2].removeprefix("espnet_mtla.bin."), *words[3:]]
        self.did.append(" ".join(words))
        for name in self.run.unit.makes:
            self._write(Path(name), words)
        return self

    def wait(self):
        return 0

    def _write(self, path, words):
        made = hashlib.sha256()
        all_words = [word for command in self.run.unit.commands for word in command]
        if words[0].endswith("inference") or words[0].startswith("score"):
            made.update(os.urandom(8))
        for option, word in zip(["", *all_words], all_words, strict=False):
            if option not in NO_MATTER and word not in NO_MATTER:
                made.update(word.encode())
                place = Path(re.split("[,:]", word)[0])
                inside = [place] if place.is_file() else sorted(place.glob("[!.]*"))
                made.update(b"".join(p.read_bytes() for p in inside if p.is_file()))
        path.parent.mkdir(parents=True, exist_ok=True)
        for name in (path.name, *BESIDE.get(path.name, ())):
            (path.parent / name).write_text(made.hexdigest())
        if words[0].endswith("_train"):
            with open(path.parent / "checkpoint.pth", "a") as checkpoint:
                checkpoint.write("trained\n")

    def kept(self):
        """Trainings that were put aside."""
        return list(self.dir.glob("exp/mini/.old/*"))


@pytest.fixture
def work(tmp_path, plan, monkeypatch):
    """A function of a recipe's name: its :class:`Work`."""

    def working(name):
        work = Work(tmp_path, name, plan)
        monkeypatch.chdir(work.dir)
        for module in (run_module, unit_module):
            monkeypatch.setattr(module, "Child", work.command)
        for variable in (*SETTING, "OMP_NUM_THREADS"):  # which Run sets
            monkeypatch.setenv(variable, "1")
        return work

    return working


@pytest.fixture
def corpus(tmp_path):
    """A folder in the place of a real corpus."""
    (tmp_path / "corpus").mkdir()
    return str(tmp_path / "corpus")


@pytest.fixture(autouse=True, scope="session")
def interruptible():
    """Recipes can be interrupted though the shell runs the tests in the background.

    Such a shell has its jobs ignore SIGINT, which their children inherit, and which
    Bash does not undo.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class RealRun:
    """A recipe run in folders of its own, on a corpus of a few utterances.

    Args:
        tmp: the folder.
        name: of the recipe.
        task: ESPnet's.
        config: of its training, a path under egs2.
        epochs: of training, instead of the configuration's.
        options: further ones, of all its runs.
    """

    def __init__(self, tmp, name: str, task: str, config: str, epochs: int, *options):
        self.tmp, self.dir = tmp, ROOT / "egs2" / name
        train = self._copied(ROOT / "egs2" / config, max_epoch=epochs)
        # a model that learnt nothing would talk on and on
        name = Path(config).name.replace("train_", "decode_")
        decode = self._copied(
            ROOT / "egs2" / config.replace(Path(config).name, name), maxlenratio=-12
        )
        self.options = ["--mini", "true", "--python", sys.executable, "--ngpu", "0"]
        for folder in ("data", "dump", "exp"):
            self.options += [f"--{folder}dir", f"{tmp}/{folder}"]
        self.options += [f"--{task}_config", train, "--inference_config", decode]
        self.options += [f"--{task}_tag", "tiny", *options]
        self.options += ["--num_train", "40", "--num_dev", "6", "--num_test", "12"]
        self.first = self()

    def _copied(self, path: Path, **changed) -> Path:
        conf = yaml.safe_load(path.read_text("utf-8"))
        copy = self.tmp / path.name
        copy.write_text(yaml.safe_dump(conf | changed))
        return copy

    def __call__(self, *options: str) -> str:
        """What a run prints; the first makes everything."""
        done = subprocess.run(
            [self.dir / "run.sh", *self.options, *options],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def real_run(tmp_path_factory):
    return lambda *how: RealRun(tmp_path_factory.mktemp("run"), *how)
