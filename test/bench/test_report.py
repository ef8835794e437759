import json
import re

import pytest

from bench import plot, report, scaling, tables, train
from espnet_mtla.errors import InputError

SIZES = ["--layers=1", "--size=16", "--heads=2", "--linear-units=24"]
SIZES += ["--vocabulary=13", "--utterances=2", "--repeats=1"]


def make(main, options, path, tmp_path):
    """Run a benchmark; its JSON, its table in a README, its plot."""
    main([*options, f"--output={path}"])
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n<!-- bench: {path.name} -->\nold\n<!-- /bench -->\nend")
    report.main([str(readme), f"--results={tmp_path}"])
    once = readme.read_text()
    report.main([str(readme), f"--results={tmp_path}"])
    assert readme.read_text() == once and "old" not in once
    plot.main([str(path)])
    assert path.with_suffix(".svg").read_text().endswith("</svg>\n")
    return json.loads(path.read_text()), once


@pytest.mark.parametrize("what", [[], ["--attention"]])
def test_training(tmp_path, what):
    options = [*SIZES, *what, "--tokens=4", "--prompts", "5", "9"]
    data, text = make(train.main, options, tmp_path / "train.json", tmp_path)
    assert [c["case"]["prompt"] for c in data["cases"]] == [5, 9]
    for case in data["cases"]:
        names = [r["name"] for r in case["results"]]
        assert names == ["ours:mha", "ours:mla", "ours:mtla2", "authors:mtla2"]
        assert all(r["peak_bytes"] > 0 for r in case["results"])
    assert text.count("| `authors:mtla2` |") == 2


def test_training_refuses_what_there_is_not():
    with pytest.raises(InputError, match="give ours:V"):
        train.main([*SIZES, "--contenders", "authors:mha"])


def test_scaling(tmp_path):
    options = [*SIZES, "--beam=3", "--prompt=6", "--axis=tokens", "--values", "2", "5"]
    options += ["--contenders", "ours:mha", "ours:mtla3"]
    data, text = make(scaling.main, options, tmp_path / "scaling.json", tmp_path)
    assert [c["case"]["tokens"] for c in data["cases"]] == [2, 5]
    assert re.search(r"\| 5 \|.*\| `ours:(mha|mtla3)` \|", text)


def test_what_was_not_run_is_not_invented(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- bench: gpu.json -->\n<!-- /bench -->\n")
    report.main([str(readme), f"--results={tmp_path}"])
    lines = readme.read_text().split()
    assert "Not run yet." in " ".join(lines) and "|" not in lines


def test_the_readmes_hold_what_was_measured(tmp_path):
    """Their tables are those that ``bench.report`` makes of the committed results."""
    for readme in report.READMES:
        copy = tmp_path / readme.name
        copy.write_text(readme.read_text())
        report.main([str(copy)])
        assert copy.read_text() == readme.read_text()


def test_faults_are_named(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- bench: gpu.json -->\n")
    with pytest.raises(InputError, match="no line <!-- /bench -->"):
        report.main([str(readme)])
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match="not a benchmark's JSON"):
        plot.main([str(tmp_path / "x.json")])


def test_the_papers_ratios_stand_beside_ours():
    result = {"seconds": 2.0, "cache_bytes": 8, "peak_bytes": 4}
    names = ["tiled:mha", "tiled:mtla2"]
    data = {"preset": "paper-st", "results": [{"name": n, **result} for n in names]}
    assert "| 4.29 | 6.58 |" in tables.ratios(data)
    del data["preset"]
    assert "4.29" not in tables.ratios(data)


def test_parts_are_compared_with_what_lacks_them():
    names = {"plain:mla": 3.0, "ours:mla": 2.0, "plain+kernel:mtla2": 1.0}
    sizes = {"seconds": 1.0, "cache_bytes": 8, "peak_bytes": 4}
    rows = [{"name": n, "ms_step": t, **sizes} for n, t in names.items()]
    text = tables.ratios({"results": rows})
    assert "x faster than without its parts" in text
    assert "| `plain:mla` | - |" in text and "| `ours:mla` | 1.5 |" in text
    assert "| `plain+kernel:mtla2` | - |" in text
