"""That a plan fits together: what a unit reads was made, and counts (see conftest.py)."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from espnet_mtla.recipe import reproduce

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted("/".join(path.parts[-3:-1]) for path in ROOT.glob("egs2/*/*/run.sh"))
OTHER = ("--train_set", "other", "--valid_set", "own", "--test_sets", "own a b")
OTHER += ("--nbpe", "70", "--local_data_opts", "--x y", "--seed", "2")
LM = ("--use_lm", "true", "--inference_args", "--lm_weight 0.2")
PERTURBED = ("--speed_perturb_factors", "0.9 1.0")
FOLDERS = ("--expdir", "e e", "--dumpdir", "u *", "--datadir", "d/d")
RUNS = [(name, *words, *OTHER) for name in RECIPES for words in ((), LM)]
RUNS += [
    (n, *PERTURBED, *words)
    for n in RECIPES
    if n != "xsum/sum1"
    for words in (LM, OTHER)
]
RUNS += [
    ("must_c/st1", "--pretrain_asr", "true", *PERTURBED, *OTHER, *FOLDERS),
    ("slurp/slu1", "--entities", "true", *LM, *OTHER),
    ("xsum/sum1", *FOLDERS, *LM),
]


def outputs(command):
    return [b for a, b in pairwise(command) if a in ("--out", "--output_dir")]


def inputs(command):
    """Files and folders that a command is told to read, but for its corpus."""
    words = [b for a, b in pairwise(command) if "/" in b and a != "--corpus"]
    return {re.split("[,:]", word)[0] for word in words} - {*outputs(command)}


def within(place, folders):
    return not {place, *map(str, Path(place).parents)}.isdisjoint(folders)


def misfits(planned, recipe):
    """What is wrong in a plan: a line each.

    What a unit reads is there, as configurations are, or lies in a folder of what an earlier
    unit makes. It makes what its commands write. What they are told to read counts: this
    unit reads it, or one does on whose work it depends.
    """
    for unit in planned.units:
        log = str(unit.log)
        for place, maker in planned.sources[log].items():
            given = (
                place.startswith(("/", "conf/", "../")) and (recipe / place).exists()
            )
            if not maker and not given:
                yield f"{unit.name} reads {place}, which nothing makes"
        counts = {p for by in (log, *planned.behind[log]) for p in planned.sources[by]}
        written = [out for command in unit.commands for out in outputs(command)]
        for place in {p for command in unit.commands for p in inputs(command)}:
            place = place.replace("/tokens.txt", "/bpe.model")  # they come together
            config = unit.trains and place.endswith(".yaml") and "conf/" in place
            if not config and not within(
                place, {*counts, *written, *unit.words["finds"]}
            ):
                yield f"{unit.name} is told of {place}, but does not depend on it"
        for name in unit.makes:
            if not within(name, written):
                yield f"{unit.name} makes {name}, where it writes nothing"
    if len(planned.sources) < len(planned.units):
        yield "two units have one log"


@pytest.mark.parametrize("words", RUNS, ids=" ".join)
def test_what_a_unit_reads_was_made_before(words, plan):
    assert list(misfits(plan(*words), ROOT / "egs2" / words[0])) == []


@pytest.mark.parametrize("name", ["must_c/st1", "xsum/sum1"])
def test_a_folder_s_name_stays_one_word(plan, name):
    def sizes(folders):
        return [
            len(c) for unit in plan(name, *folders, *LM).units for c in unit.commands
        ]

    assert sizes(FOLDERS) == sizes([word.replace(" ", "_") for word in FOLDERS])


def test_a_documented_run_fits_together(documented_plan):
    assert documented_plan.units[-1].name == "13.table"
    if not documented_plan.redo_from:
        assert list(misfits(documented_plan, Path())) == []


def test_a_documented_reproduction(
    documented_reproduction, plan, tmp_path, monkeypatch
):
    """The runs that it begins are such as a run.sh takes."""
    monkeypatch.chdir(tmp_path)
    lines = [f"{name} {tmp_path}\n" for name in ("must_c", "xsum", "ami", "slurp")]
    (tmp_path / "corpora.txt").write_text("".join(lines))
    runs = []

    class Child:
        def __init__(self, words, **_):
            if words[0].name == "run.sh":  # not the installer
                runs.append((words[0].parent.relative_to(ROOT / "egs2"), *words[1:]))

        def wait(self):
            return 0

    monkeypatch.setattr(reproduce, "Child", Child)
    reproduce.Reproduction(ROOT / "egs2", documented_reproduction[1:]).run()
    last = {(name, "--dry_run" in options): options for name, *options in runs}
    for (name, dry), options in last.items():
        planned = plan(name.as_posix(), *options, mini=False)
        assert planned.units[-1].name == "13.table"
        assert planned.dry_run == str(dry).lower()


def test_there_are_documented_runs_of_each_recipe(all_documented):
    names = [name for name, *_ in all_documented]
    assert len(names) > 28 and names.count(".") > 2
    assert set(names) == {".", *RECIPES}
