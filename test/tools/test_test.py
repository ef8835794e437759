"""tools/test.sh and .ci/run with stand-ins for the tools they call."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = (
    '#!/bin/bash\necho "${0##*/} $* threads=$OMP_NUM_THREADS" >>"$CALLS"\n'
    '[[ ${0##*/} != python ]] || echo "3 passed in 0.1s"\n'
    '[[ " $BROKEN " != *" ${0##*/} "* ]]\n'
)


@pytest.fixture
def run(tmp_path):
    root = tmp_path / "a clone"
    (root / "egs2/TEMPLATE").mkdir(parents=True)
    (root / "egs2/TEMPLATE/stage.sh").touch()
    for name in ("bench", "test"):
        (root / name).mkdir()
    data = root / "egs2/must_c/st1/data/x"
    data.mkdir(parents=True)
    (data / "theirs.sh").touch()
    for name in ("tools/test.sh", ".ci/run"):
        (root / name).parent.mkdir()
        shutil.copy(ROOT / name, root / name)
    (root / ".venv/bin").mkdir(parents=True)
    for name in (
        "tools/install.sh",
        *(f".venv/bin/{t}" for t in ("ruff", "mypy", "shellcheck", "python")),
    ):
        (root / name).write_text(STAND_IN)
        (root / name).chmod(0o755)

    def run(*args, broken="", script="tools/test.sh"):
        drop = ("ESPNET_MTLA_VENV", "OMP_NUM_THREADS")
        env = {k: v for k, v in os.environ.items() if k not in drop}
        calls = tmp_path / "calls"
        calls.write_text("")
        done = subprocess.run(
            [root / script, *args],
            env=env | {"CALLS": str(calls), "BROKEN": broken},
            cwd=tmp_path,
            check=False,
            text=True,
            capture_output=True,
            timeout=30,
        )
        return done, calls.read_text().splitlines()

    return run


@pytest.mark.parametrize("script", ["tools/test.sh", ".ci/run"])
def test_installs_lints_and_tests(run, script):
    done, calls = run(script=script)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines()[-1] == "3 passed in 0.1s"
    assert [c.split()[0] for c in calls] == [
        "install.sh",
        "ruff",
        "ruff",
        "mypy",
        "shellcheck",
        "python",
    ]
    assert calls[1:3] == ["ruff check . threads=1", "ruff format --check . threads=1"]
    checked = calls[4].split()
    assert {
        ".ci/run",
        "egs2/TEMPLATE/stage.sh",
        "tools/install.sh",
        "tools/test.sh",
    } < set(checked)
    assert not any("theirs" in c for c in checked)
    assert calls[5] == "python -m pytest -n 2 --dist loadfile threads=1"


def test_arguments_go_to_pytest(run):
    assert (
        run("-k", "mtla or mla", "-x")[1][-1]
        == "python -m pytest -n 2 --dist loadfile -k mtla or mla -x threads=1"
    )


@pytest.mark.parametrize(
    "broken, said",
    [
        ("ruff", "ruff check; ruff format;"),
        ("mypy", "mypy;"),
        ("shellcheck", "shellcheck;"),
        ("python", "pytest;"),
        ("ruff python", "ruff check; ruff format; pytest;"),
    ],
)
def test_a_failure_is_named_and_the_rest_still_runs(run, broken, said):
    done, calls = run(broken=broken)
    assert done.returncode == 1 and len(calls) == 6
    assert done.stderr == f"test.sh: failed: {said}\n"


def test_no_environment_no_tests(run):
    done, calls = run(broken="install.sh")
    assert done.returncode != 0 and len(calls) == 1
