"""A run.sh as a process: what its shell does, with commands in the place of real ones."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = """#!/bin/sh
case $2 in espnet_mtla.bin.*) ;; *) exec {python} "$@" ;; esac
command=${{2#espnet_mtla.bin.}}
echo "$command" >>{calls}
if [ -e {does}.$command ]; then . {does}.$command; fi
"""
"""Real but for the commands of units, which do what a test says."""


class Started:
    """A run.sh that writes to a folder of its own."""

    def __init__(self, tmp, root=ROOT):
        self.tmp, self.calls_file, self.python = tmp, tmp / "calls", tmp / "python"
        self.run_sh = root / "egs2/must_c/st1/run.sh"
        words = {"python": sys.executable, "calls": tmp / "calls", "does": tmp / "does"}
        self.python.write_text(PYTHON.format(**words))
        self.python.chmod(0o755)
        self.env = {k: v for k, v in os.environ.items() if k != "ESPNET_MTLA_VENV"}

    def does(self, command, script):
        (self.tmp / f"does.{command}").write_text(script)

    def options(self, *options, python=True):
        folders = [f"--{name}dir={self.tmp}/{name}" for name in ("data", "dump", "exp")]
        first = ["--python", self.python] if python else []
        return [*first, "--mini", "true", "--ngpu", "0", *folders, *options]

    def start(self, *options, before=(), **how):
        self.calls_file.write_text("")
        words = [*before, self.run_sh, *self.options(*options, **how)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(words, env=self.env, start_new_session=True, **pipes)

    def __call__(self, *options, **how):
        """Its status and what it printed, to both."""
        run = self.start(*options, **how)
        return (*run.communicate(timeout=60), run.returncode)[::-1]

    @property
    def calls(self):
        return self.calls_file.read_text().split()

    def at_work(self, command, *options, last="sleep 60 & wait", **how):
        """One that is in a command, and the command's number."""
        file = self.tmp / "pid"
        self.does(command, f"echo $$ >{file}.tmp; mv {file}.tmp {file}; {last}")
        run, until = self.start(*options, **how), time.monotonic() + 30
        while not file.exists():
            assert time.monotonic() < until and run.poll() is None
            time.sleep(0.02)
        return run, int(file.read_text())


@pytest.fixture
def run(tmp_path):
    return Started(tmp_path)


@pytest.fixture
def clone(tmp_path):
    """One in a copy of the tree."""
    root = tmp_path / "clone"
    for name in ("egs2/TEMPLATE", "egs2/must_c", "conf"):
        shutil.copytree(
            ROOT / name,
            root / name,
            ignore=shutil.ignore_patterns("data", "dump", "exp"),
        )
    (root / "espnet_mtla").symlink_to(ROOT / "espnet_mtla")
    return Started(tmp_path, root)


@pytest.mark.parametrize(
    ("options", "again"), [((), "the same command"), (("--stage", "1"), "--stage 1")]
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_and_is_answered_in_one_line(
    run, options, again, number
):
    shell, pid = run.at_work("make_mini", *options)
    shell.send_signal(number)
    _, err = shell.communicate(timeout=20)
    assert shell.returncode == 128 + number
    assert err == (
        "run.sh: interrupted in stage 1 (data preparation);"
        f" {again} goes on from that stage\n"
    )
    assert run.calls == ["check_recipe", "make_mini"]
    gone = not psutil.pid_exists(pid)
    assert gone or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_run_under_nohup_outlives_its_terminal(run):
    made = f"{run.tmp}/data/$s.en-de"
    run.does(
        "prepare_must_c",
        f"for s in train dev tst-COMMON tst-HE; do mkdir -p {made}; touch {made}/wav.scp {made}/text.tc.de {made}/text.lc.rm.en; done",
    )
    shell, _ = run.at_work(
        "make_mini", "--stop_stage", "1", before=["nohup"], last="sleep 1"
    )
    os.killpg(shell.pid, signal.SIGHUP)
    out, err = shell.communicate(timeout=60)
    assert shell.returncode == 0, out + err
    assert run.calls == ["make_mini", "prepare_must_c", "tokens", "tokens"]


def test_what_it_refuses_is_one_line_before_any_work(run):
    def refused(*options):
        status, err, out = run(*options)
        assert (status, out) == (1, "") and set(run.calls) <= {"check_recipe"}
        return err

    assert refused("--stage", "x") == "run.sh: --stage is a whole number, not 'x'\n"
    assert refused("--decoder", "mlta").startswith("run.sh: no decoder 'mlta' (did")
    run.does("check_recipe", "echo x >&2; echo 'error: no option strid' >&2; exit 1")
    assert refused("--decoder_args", "strid=4") == "run.sh: no option strid\n"
    assert run.calls == ["check_recipe"]


def test_help_is_all_that_is_done(run):
    status, err, out = run("--help")
    assert (status, err, run.calls) == (0, "", [])
    assert out.startswith(
        "Usage: run.sh --mini true | --must_c PATH [--name value ...]"
    )
    assert "\nStages: 1 data preparation," in out and "\n  --pretrain_asr " in out


def test_half_a_plan_is_not_begun(clone):
    stages = clone.run_sh.parents[2] / "TEMPLATE/stages.sh"
    text = stages.read_text()
    assert "  if wanted 12;" in text
    stages.write_text(text.replace("  if wanted 12;", "  exit 3\n  if wanted 12;"))
    status, err, out = clone()
    assert (status, out, clone.calls) == (1, "", [])
    assert err.endswith("run.sh: the plan of the stages was cut short: run again\n")


def test_without_an_environment_the_installer_runs_first(clone):
    installer = clone.run_sh.parents[3] / "tools/install.sh"
    installer.parent.mkdir()
    installer.write_text(
        f"#!/bin/sh\necho install >>{clone.calls_file}; echo install.sh: some minutes\n"
        f'echo "install.sh: ready: {clone.python}"\n'
    )
    installer.chmod(0o755)
    clone.does("make_mini", "exit 1")
    _, err, out = clone(python=False)
    assert clone.calls == ["install", "check_recipe", "make_mini"]
    assert err.startswith("install.sh: some minutes\n") and "install.sh" not in out
    installer.write_text("#!/bin/sh\necho install.sh: no Python found >&2; exit 1\n")
    status, err, _ = clone(python=False)
    assert status == 1 and clone.calls == []
    assert err == "install.sh: no Python found\n"


def test_a_python_that_is_named_is_enough(run):
    """Where no other one is found."""
    tools = run.tmp / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "cat", "env"):
        (tools / name).symlink_to(shutil.which(name))
    run.env["PATH"] = str(tools)
    run.does("make_mini", "exit 1")
    run()
    assert run.calls == ["check_recipe", "make_mini"]
