"""bench/gpu.sh with a stand-in for Python: what is run, in which order, and again."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "gpu.sh"
STAND_IN = """#!/bin/bash
echo "$*" >>"$CALLS"
[[ " $* " != *" $BROKEN "* ]] || exit 1
while (($#)); do
  [[ $1 != --output ]] || touch "$2"
  shift
done
"""


@pytest.fixture
def run(tmp_path):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(STAND_IN)
    python.chmod(0o755)
    calls = tmp_path / "calls"

    def run(*folder, broken="none"):
        path = f"{python.parent}:{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "CALLS": str(calls), "BROKEN": broken}
        done = subprocess.run(
            ["bash", SCRIPT, *(folder or ["results"])],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        seen = calls.read_text().splitlines() if calls.exists() else []
        seen = [line for line in seen if line.startswith("-m ")]
        calls.unlink(missing_ok=True)
        return done, seen

    return run


def test_every_marker_of_a_gpu_is_measured_once(run, tmp_path):
    done, seen = run()
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in seen[:2]] == ["pytest", "pytest"]
    assert all("--device cuda" in line for line in seen[2:])
    made = {path.name for path in (tmp_path / "results").iterdir()}
    readme = SCRIPT.with_name("README.md").read_text()
    marked = {w for w in readme.split() if w.endswith(".json") and "-cuda-" in w}
    assert made == {name.rpartition("/")[2] for name in marked}
    assert len(run()[1]) == 2  # the tests alone


def test_one_that_fails_is_named_and_the_others_run(run):
    done, seen = run(broken="bench.train")
    assert done.returncode == 1
    assert "failed: train-cuda-bfloat16 train-attention-cuda" in done.stderr
    assert "bench.decode" in seen[-1]
    done, seen = run()
    assert done.returncode == 0 and len(seen) == 4


def test_without_a_gpu_nothing_is_run(run, tmp_path):
    done, seen = run(broken="-c")
    assert done.returncode == 1 and not seen
    assert done.stderr.startswith("gpu.sh: needs a GPU")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("words", [["--help"], ["one", "two"], ["/proc/none"]])
def test_what_is_no_folder_runs_nothing(run, words):
    done, seen = run(*words)
    assert done.returncode != 0 and done.stderr and not seen
