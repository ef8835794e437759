import json

import pytest

from bench import throughput
from bench.tables import laid_out


def test_a_whole_recogniser_is_measured(tmp_path, capsys):
    out = tmp_path / "throughput.json"
    sizes = ["--utterances=3", "--layers=2", "--size=32"]
    throughput.main([*sizes, f"--output={out}"])
    data = json.loads(out.read_text())
    assert [r["name"] for r in data["results"]] == list(throughput.CONTENDERS)
    assert all(r["seconds"] > 0 for r in data["results"])
    assert 0.5 < data["busy"] <= 1
    seconds = sum(throughput.lengths(3)) / throughput.RATE
    assert data["case"]["seconds"] == pytest.approx(seconds)
    assert "accelerated, all in one list" in laid_out(data)
    assert "RTFx" in capsys.readouterr().out
