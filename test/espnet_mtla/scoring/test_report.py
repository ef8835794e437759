"""The report of a comparison, and the README section it fills."""

import json
import re
import shutil
from pathlib import Path

import pytest

from espnet_mtla.bin.compare import main
from espnet_mtla.errors import InputError
from espnet_mtla.scoring.report import fill, report
from espnet_mtla.scoring.trained import find_trained

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {"date": "today", "torch version": "2"}


def make(paths, corpus=None):
    return report(find_trained(paths, corpus), ENVIRONMENT)


def test_each_setting_has_a_table_of_its_own(trained, tmp_path):
    trained("a", "mha", 20.0, 200)
    trained("c", "mha", 40.0, 200, decoding="wide", beam_size=50)
    trained("b", "mla", 10.0, 100, decoding="gpu", device="NVIDIA H200")
    text, data = make([tmp_path], "")
    assert [len(table["rows"]) for table in data["tables"]] == [1, 1, 1]
    assert [table["rows"][0]["speedup"] for table in data["tables"]] == [1.0, None, 1.0]
    assert [table["beam_size"] for table in data["tables"]] == [5, 5, 50]
    assert "beam 50" in text and "NVIDIA H200" in text
    assert text.startswith("## Environments\n- date: `today`\n- torch version: `2`\n")


@pytest.mark.parametrize("corpus", ["ami", "librispeech"])
def test_the_paper_s_figures_stand_beside_its_own_test_set(trained, tmp_path, corpus):
    expdir = f"egs2/{corpus}/asr1/exp"
    for name in ("ihm_dev", "ihm_eval"):
        trained(name, "mha", 20.0, 200, task="asr", test_set=name, expdir=expdir)
    (tmp_path / f"egs2/{corpus}/asr1/run.sh").touch()
    text, data = make([tmp_path / f"egs2/{corpus}/asr1"])
    head = f"## {corpus}/asr: ihm_%s, 3 utterances"
    first, second = data["tables"]
    if corpus == "ami":  # its own first, without it the others
        assert text.index(head % "eval") < text.index(head % "dev")
        assert first["rows"][0]["paper_wer"] == 12.98
        assert text.count("| 12.98 | 269.4 | 1.00 | 17509 | 1.00 |") == 1
        assert text.count("figures of the paper, not of ours") == 1
        assert "paper_wer" not in second["rows"][0]
    else:
        assert text.index(head % "dev") < text.index(head % "eval")
        assert "paper" not in json.dumps(data) and "Paper" not in text


def test_recipes_of_several_tasks_go_into_one_report(trained, tmp_path):
    paths = []
    for corpus, recipe, task in (
        ("xsum", "sum1", "mt"),
        ("must_c", "st1", "st"),
        ("slurp", "slu1", "slu"),
    ):
        expdir = f"egs2/{corpus}/{recipe}/exp/mini"
        trained("a", "mha", 1.0, 1, task=task, expdir=expdir, test_set="test")
        paths.append(tmp_path / f"egs2/{corpus}/{recipe}")
        (paths[-1] / "run.sh").touch()
    text, data = make(paths)
    names = ["must_c/st", "slurp/slu", "xsum/mt"]
    assert re.findall(r"^## (\S+): test", text, re.MULTILINE) == names
    assert [f"{t['corpus']}/{t['task']}" for t in data["tables"]] == names


def test_models_of_entities_are_not_the_paper_s(trained, tmp_path):
    trained("a", "mha", 1.0, 1, task="slu", test_set="test")
    more = {"references": ["iot_on SEP", "iot_off SEP", "alarm_set SEP"]}
    more |= {"score": {"slu_f1": 70.0}}
    trained("b", "mha", 1.0, 1, task="slu", test_set="test", **more)
    text, data = make([tmp_path], "slurp")
    assert sorted(re.findall(r"^## slurp/slu: .*", text, re.MULTILINE)) == [
        "## slurp/slu: test, 3 utterances",
        "## slurp/slu: test, 3 utterances, with entities",
    ]
    rows = {t["rows"][0]["experiment"]: t["rows"][0] for t in data["tables"]}
    assert rows["slu_a"]["paper_intent"] == 86.83
    assert "paper_intent" not in rows["slu_b"]


def test_what_was_decoded_with_another_pytorch_says_so(trained, tmp_path):
    trained("a", "mha", 1.0, 1, torch="2.8.0")
    trained("b", "mla", 1.0, 1, torch="2.9.1+cu128")
    text, data = make([tmp_path])
    assert "PyTorch 2.8.0;" in text and "PyTorch 2.9.1+cu128;" in text
    assert [t["torch"] for t in data["tables"]] == ["2.8.0", "2.9.1+cu128"]


def test_texts_are_counted_in_units(trained, tmp_path):
    experiment = trained("a", "mha", 1.0, 1, task="mt", source_units=1234.0)
    path = next(experiment.rglob("efficiency.json"))
    cost = json.loads(path.read_text())
    del cost["audio_seconds"]
    path.write_text(json.dumps(cost))
    text, _ = make([tmp_path])
    assert (
        "decode: 1234 units of text, beam 5, at most 16 utterances and 50000 units"
        in text
    )


@pytest.mark.parametrize(
    ("size", "frames", "words"),
    [
        (0, 50000, "beam 5, at most 50000 frames a batch, cpu"),
        (7, 0, "beam 5, at most 7 utterances a batch, cpu"),
        (0, 0, "beam 5, one batch, cpu"),
    ],
)
def test_only_bounds_that_there_were_are_told(trained, tmp_path, size, frames, words):
    trained("a", "mha", 1.0, 1, batch_size=size, batch_frames=frames)
    assert words in make([tmp_path])[0]


def test_error_counts_as_espnet_s_readmes_have_them(trained, tmp_path):
    trained("a", "mha", 1.0, 1, task="asr", test_set="test_clean")
    trained("a2", "mla", 1.0, 1, task="asr", test_set="test_clean")
    text, _ = make([tmp_path])
    wer = text[text.index("## WER") :].splitlines()
    assert wer[2] == "|dataset|Snt|Wrd|Corr|Sub|Del|Ins|Err|S.Err|"
    assert wer[4:] == [
        f"|asr_{tag}/decode/test_clean|3|200|98.0|1.5|0.5|1.0|3.0|33.3|"
        for tag in ("a", "a2")
    ]
    assert "## CER" not in text  # this result has no counts of it


def test_what_is_espnet_s_own_is_explained_where_it_stands(trained, tmp_path):
    trained("a", "mha", 1.0, 1, task="asr")
    text, _ = make([tmp_path])
    assert "ESPnet's own" not in text
    trained("b", "transformer", 1.0, 1, task="asr")
    text, _ = make([tmp_path])
    assert "transformer is ESPnet's own decoder: it attends" in text
    assert "decoded by ESPnet's own beam search" not in text
    trained(
        *("a", "mha", 1.0, 1),
        task="asr",
        decoding="decode_search_espnet",
        search="espnet",
    )
    text, data = make([tmp_path])
    assert "decoded by ESPnet's own beam search" in text
    assert [len(table["rows"]) for table in data["tables"]] == [3]
    for decoding in ("decode", "decode_search_espnet"):  # counted under its folder
        assert text.count(f"|asr_a/{decoding}/tst-COMMON.en-de|3|") == 1


def test_the_test_of_significance_is_named_where_there_is_one(trained, tmp_path):
    alone = trained("a", "mha", 1.0, 1)
    assert "paired bootstrap" not in make([alone])[0]
    trained("b", "mla", 1.0, 1)
    assert "paired bootstrap (1000 resamples)" in make([tmp_path])[0]


def test_the_command_writes_markdown_json_and_readme(trained, tmp_path, capsys):
    a, b = trained("a", "mha", 20.0, 200), trained("b", "mha", 21.0, 201)
    trained("c", "mla", 1.0, 1)
    readme = tmp_path / "README.md"
    readme.write_text("# Mine\n\n<!-- results -->\n<!-- /results -->\nafter\n")
    main([str(a), str(b), "--out", f"{tmp_path}/R.md", "--readme", str(readme)])
    text = (tmp_path / "R.md").read_text("utf-8")
    assert text.startswith("# RESULTS\n## Environments\n- date: `")
    assert "- torch version: `" in text
    assert "| mha (st_b) |" in text  # two of one kind are told apart
    assert "mla" not in text
    assert capsys.readouterr().out.strip() == text.strip()
    data = json.loads((tmp_path / "R.json").read_text("utf-8"))
    assert [r["seconds"] for r in data["tables"][0]["rows"]] == [20.0, 21.0]
    assert data["environment"]["espnet version"]
    assert data["environment"]["rouge-score version"]
    filled = readme.read_text("utf-8")
    assert filled.startswith("# Mine\n\n<!-- results -->\n\n### Environments\n- date:")
    assert filled.endswith("\n\n<!-- /results -->\nafter\n")
    assert "| mha (st_b) |" in filled and "# RESULTS" not in filled


def test_without_a_name_results_go_here(trained, tmp_path, monkeypatch, capsys):
    trained("a", "mha", 20.0, 200, expdir="exp")
    monkeypatch.chdir(tmp_path)
    main(["exp"])
    assert (tmp_path / "RESULTS.md").exists() and (tmp_path / "RESULTS.json").exists()
    with pytest.raises(InputError, match="--out R.json: name the Markdown"):
        main(["exp", "--out", "R.json"])


def test_filling_twice_is_filling_once(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- results -->\nold\n\n## old\n<!-- /results -->\nz")
    fill(readme, "## One\n\n| 1 |\n")
    once = readme.read_text()
    assert once == ("a\n<!-- results -->\n\n### One\n\n| 1 |\n\n<!-- /results -->\nz\n")
    fill(readme, "## One\n\n| 1 |\n")
    assert readme.read_text() == once
    fill(readme, "## Two\n")
    assert readme.read_text() == once.replace("One\n\n| 1 |", "Two")


@pytest.mark.parametrize(
    "text",
    [
        "none\n",
        "<!-- results -->\n",
        "<!-- /results -->\n<!-- results -->\n",
        "<!-- results -->\n<!-- /results -->\n<!-- results -->\n<!-- /results -->\n",
        "in `<!-- results -->` and `<!-- /results -->`\n",
    ],
)
def test_a_readme_without_markers_is_left_alone(tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(InputError, match=r"README.md: give it one line <!-- results"):
        fill(readme, "## One\n")
    assert readme.read_text() == text
    with pytest.raises(InputError, match="NOREADME.md is missing"):
        fill(tmp_path / "NOREADME.md", "")


@pytest.mark.parametrize(
    "recipe", sorted(ROOT.glob("egs2/*/*/run.sh")), ids=lambda p: p.parts[-3]
)
def test_the_readme_of_each_recipe_can_be_filled(tmp_path, recipe):
    copy = shutil.copy(recipe.with_name("README.md"), tmp_path)
    fill(Path(copy), "## One\n")
    assert "\n### One\n" in Path(copy).read_text("utf-8")
