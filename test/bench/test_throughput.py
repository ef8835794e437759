import json

import pytest

from bench import throughput
from bench.tables import laid_out
from espnet_mtla.errors import InputError
from espnet_mtla.onednn import multiplies_bfloat16


def test_a_whole_recogniser_is_measured(tmp_path, capsys):
    out = tmp_path / "throughput.json"
    sizes = ["--utterances=3", "--layers=2", "--size=32"]
    names = ["espnet", "alone", "batched", "int8"]
    names += ["bfloat16"] if multiplies_bfloat16() else []
    throughput.main([*sizes, f"--output={out}", "--contenders", *names])
    data = json.loads(out.read_text())
    assert [r["name"] for r in data["results"]] == names
    assert [r["same_texts"] for r in data["results"]][:3] == [3, 3, 3]
    assert all(r["seconds"] > 0 for r in data["results"])
    assert 0.5 < data["busy"] <= 1
    seconds = sum(throughput.lengths(3)) / throughput.RATE
    assert data["case"]["seconds"] == pytest.approx(seconds)
    assert "accelerated, all in one list" in laid_out(data)
    assert "RTFx" in capsys.readouterr().out


def test_a_type_is_a_contender():
    with pytest.raises(InputError, match="give --contenders bfloat16"):
        throughput.parse(["--dtype", "bfloat16"])
