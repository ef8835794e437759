import json

import pytest

from bench import smoke
from bench.tables import laid_out

SIZES = ["--layers=1", "--size=32", "--heads=4", "--linear-units=48"]
SIZES += ["--vocabulary=17", "--prompt=7", "--tokens=4"]


@pytest.mark.parametrize("name", ["mtla3", "espnet+cache"])
def test_a_variant_is_checked_in_every_part(name, tmp_path, monkeypatch):
    """A bias that is off is seen wherever it is used; half precision is allowed."""
    checked = smoke.stepped

    def off(view, x, tokens):
        if next(seen):
            view.decoder.output_layer.bias.data.mul_(1.01)
        return checked(view, x, tokens)

    monkeypatch.setattr(smoke, "CHECKED", (name,))
    out = tmp_path / "smoke.json"
    seen = iter([False] * 4)
    monkeypatch.setattr(smoke, "stepped", off)
    smoke.main([*SIZES, f"--output={out}"])
    data = json.loads(out.read_text())
    assert not data["failed"]
    exact, half = (c["differences"] for c in data["checks"])
    assert list(exact) == list(half) == ["forward", "gradients", "steps", "search"]
    assert all(0 < half[what] < 0.1 for what in ("forward", "gradients", "steps"))
    seen = iter([False, True] * 2)
    smoke.main([*SIZES, f"--output={out}"])
    data = json.loads(out.read_text())
    assert list(data["failed"]) == [f"{name} float32"]
    assert data["failed"][f"{name} float32"].startswith("AssertionError: steps off by")
    text = laid_out(data)
    assert "1 of 2 checks of decoders passed" in text
    assert f"Failed `{name} float32`: AssertionError: steps off" in text


CASES = """
import pytest

def test_passes(): pass

def test_is_wrong(): assert 1 == 2

@pytest.mark.parametrize("n", [3, 4])
def test_breaks(n): raise RuntimeError(f"CUDA error: {n}")
"""


def test_tests_are_heard(tmp_path, monkeypatch):
    (tmp_path / "cases.py").write_text(CASES)
    monkeypatch.setitem(smoke.SUITES, "kernels", (tmp_path / "cases.py",))
    seen = []
    without = {"test_breaks[4]": "ended by SIGSEGV"}
    checks = smoke.suite("kernels", "cpu", seen.append, without)
    assert seen == ["test_passes", "test_is_wrong", "test_breaks[3]"]
    errors = {c["name"]: smoke.first_line(c.get("error", "-")) for c in checks}
    assert errors == {
        "test_passes": "-",
        "test_is_wrong": "assert 1 == 2",
        "test_breaks[3]": "RuntimeError: CUDA error: 3",
    }


def test_no_tests_are_no_success(tmp_path, monkeypatch):
    monkeypatch.setitem(smoke.SUITES, "graphs", (tmp_path / "none.py",))
    with pytest.raises(RuntimeError, match="pytest ran no test"):
        smoke.suite("graphs", "cpu", print, {})
