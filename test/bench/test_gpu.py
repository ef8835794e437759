"""bench.gpu without a GPU: its budget, its order, and groups that crash or hang."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import gpu, machine, tables
from bench.groups import Group, groups, suspects, told
from espnet_mtla.errors import InputError

ROOT = Path(gpu.__file__).parents[1]


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Calls the command with groups of a stand-in for a benchmark, ``does:seconds``."""

    def measured(args, without, at):
        for name in args.contenders:
            if name in without:
                continue
            at(name)
            with open(tmp_path / "calls", "a") as f:
                f.write(f"{name}\n")
            if "crash" in name:
                os.kill(os.getpid(), signal.SIGSEGV)
            if "wrong" in name:
                raise ValueError("of no use\nin no place")
            if "hang" in name:
                time.sleep(60)
        return {"bench": "fake", "machine": {}, "failed": dict(without)}

    def parse(words):
        parser = argparse.ArgumentParser()
        parser.add_argument("--contenders", nargs="+")
        for option in ("--output", "--device", "--dtype"):
            parser.add_argument(option)
        return parser.parse_args(words)

    fake = SimpleNamespace(measured=measured, parse=parse)
    monkeypatch.setitem(sys.modules, "bench.fake", fake)
    monkeypatch.setitem(tables.TABLES, "fake", lambda data: "measured")

    def call(*does, seconds=100, output="results"):
        found = [
            Group(f"{i}-cuda", "fake", f"--contenders {words}", limit)
            for i, (words, limit) in enumerate(does)
        ]
        monkeypatch.setattr(gpu, "groups", lambda: found)
        error = ""
        try:
            folder = tmp_path / output
            gpu.main(["--rehearse", f"--output={folder}", f"--seconds={seconds}"])
        except InputError as e:
            error = str(e)
        calls = tmp_path / "calls"
        seen = calls.read_text().split() if calls.exists() else []
        calls.unlink(missing_ok=True)
        made = {p.name[0]: json.loads(p.read_text()) for p in folder.iterdir()}
        return SimpleNamespace(
            seen=seen, made=made, error=error, said=capsys.readouterr().out
        )

    return call


def test_who_is_at_fault_is_left_out(call):
    """The others of the group, and the other groups, are measured."""
    done = call(("a crash b", 9), ("wrong c", 9), ("d hang", 0.3))
    assert " ".join(done.seen) == "a crash a b wrong c d hang d"
    assert done.made["0"]["failed"] == {"crash": "ended by SIGSEGV"}
    assert done.made["1"]["failed"] == {"wrong": "ValueError: of no use"}
    assert done.made["2"]["failed"] == {"hang": "no end in 1 s"}
    assert done.error == "3 failed, named above"
    assert "failed: 1-rehearsal, wrong: ValueError: of no use" in done.said
    assert "goes on" not in done.said
    again = call(("a crash b", 9), ("wrong c", 9), ("d hang", 0.3))
    assert not again.seen and again.error == done.error


def test_the_budget_is_kept_and_the_same_command_goes_on(call):
    does = [("a", 0.5), ("b hang", 1), ("c", 5)]
    done = call(*does, seconds=2)
    assert done.seen == ["a", "b", "hang"] and set(done.made) == {"0"}
    assert not done.error
    assert "not measured: 1-rehearsal: the time was over" in done.said
    assert "not measured: 2-rehearsal: takes about 5 s" in done.said
    assert "the same command goes on" in done.said
    assert call(("a", 1), ("b", 1), ("c", 5)).seen == ["b", "c"]


def test_a_failure_before_any_contender_is_the_groups(call):
    done = call(("--no-such-option", 5), ("a", 5))
    assert set(done.made) == {"1"}
    assert "failed: 0-rehearsal: SystemExit: 2" in done.said
    assert done.error == "1 failed, named above"


def test_rehearsal(tmp_path):
    """The command as it is, tiny and on a CPU; what failed a check is marked.

    A check that failed is made again.
    """
    failed = {"mha bfloat16": "AssertionError: off", "mla float32": "AssertionError"}
    check = {"bench": "smoke", "what": "decoders", "failed": failed}
    for name in ("smoke-decoders-rehearsal", "smoke-elsewhere"):
        machine.write(tmp_path / f"{name}.json", check)
    names = ["smoke", "decode-parts-500-cuda-bfloat16", "profile", "train-500"]
    command = [sys.executable, "-m", "bench.gpu", "--rehearse", f"--output={tmp_path}"]
    command += ["--commit=abc", "--groups", *names]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = {p.stem: json.loads(p.read_text()) for p in tmp_path.iterdir()}
    assert made["smoke-decoders-rehearsal"]["failed"] == {}
    decode = made["decode-parts-500-rehearsal-bfloat16"]
    assert [r["name"][:5] for r in decode["results"]] == ["ours:"] * 4
    assert decode["machine"]["git hash"] == "abc" and decode["dtype"] == "bfloat16"
    said = "check mha bfloat16 failed: AssertionError: off"
    assert decode["doubts"] == {"ours:mha": said}
    assert f"Measured, but `ours:mha`: {said}" in done.stdout
    profile = made["profile-rehearsal-bfloat16"]
    assert profile["results"][0]["profile"]["kernels"] > 10
    assert made["train-500-rehearsal-bfloat16"]["encoder"] == 1


def test_every_marker_of_a_gpu_is_measured():
    readme = (ROOT / "bench" / "README.md").read_text()
    marked = re.findall(r"<!-- bench: (\S+-cuda\S*)\.json -->", readme)
    assert sorted(marked) == sorted(g.name for g in groups())


def test_what_broke_is_left_out_and_what_was_wrong_is_marked(tmp_path):
    checks = {
        "kernels": {"a[1]": "AssertionError: not close", "b": "assert 1 == 2"},
        "graphs": {"c": "AssertionError: not close", "d": "CUDA error: no\nmore"},
    }
    for what, failed in checks.items():
        data = {"bench": "smoke", "what": what, "failed": failed}
        machine.write(tmp_path / f"smoke-{what}-cuda.json", data)
    broken, wrong = suspects(tmp_path, "float32")
    assert told("plain+graph:mha", broken).startswith("check d failed: CUDA error")
    assert told("ours:mha", broken) and not told("plain:mla", broken)
    assert not told("plain+kernel:mla", broken)
    assert told("plain+kernel:mla", wrong).startswith("check a[1] failed")
    assert told("ours:mtla2", wrong) and not told("plain:mtla2", wrong)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rehearse"], "give --output"),
        (["--groups", "smoke", "none"], "--groups none: no group"),
        (["--output=/proc/none"], "--output /proc/none: cannot make it"),
    ],
)
def test_options_are_checked_at_the_door(words, said):
    with pytest.raises(InputError, match=said):
        gpu.main(words)


def test_without_a_gpu_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="needs a GPU: PyTorch finds none"):
        gpu.main([f"--output={tmp_path}"])
    assert not list(tmp_path.iterdir())
