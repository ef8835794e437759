import json

import pytest

from bench.ctc import Case, main


def test_both_scorers_score_the_same(tmp_path, capsys):
    cases = [Case(2, 4, 17, 5, 13), Case(1, 3, 40, 6, 9, margin=5)]
    main(["--repeats", "2", "--output", str(tmp_path / "ctc.json")], cases)
    rows = [s for s in capsys.readouterr().out.splitlines() if s.startswith("|")]
    assert len(rows) == 4
    for case in json.loads((tmp_path / "ctc.json").read_text())["cases"]:
        assert case["difference"] < 1e-3
        for times in case["times"].values():
            assert len(times["runs"]) == 2 and min(times["runs"]) > 0
        ratio = case["median"]["espnet"] / case["median"]["ours"]
        assert case["speed_up"] == pytest.approx(ratio)
