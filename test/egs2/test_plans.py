"""That a plan fits together: what a unit reads was made, and counts (see conftest.py).

Of every command of a README, and of further options.
"""

import os
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from espnet_mtla.bin import check_recipe
from espnet_mtla.recipe import reproduce

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "egs2/README.md", "docs/training.md", "CONTRIBUTING.md"]
PAGES += sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("egs2/*/*/README.md"))
RECIPES = ("ami/asr1", "librispeech/asr1", "must_c/asr1")
RECIPES += ("must_c/st1", "slurp/slu1", "xsum/sum1")
OTHER_SET = ["--train_set", "other", "--valid_set", "own", "--test_sets", "own a b"]
OTHER_SET += ["--nbpe", "70", "--local_data_opts", "--x y", "--seed", "2"]
LM = ["--use_lm", "true", "--inference_args", "--lm_weight 0.2"]


def documented():
    """Recipe (``.`` for reproduce.sh) and words of each command of a page."""
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if re.match(r"[a-z0-9_/.]*(run|reproduce)\.sh ", line):
                    script, *words = shlex.split(line, comments=True)
                    here = ROOT if "egs2" in script else (ROOT / page).parent
                    folder = (here / script).resolve().parent
                    yield folder.relative_to(ROOT / "egs2").as_posix(), tuple(words)


DOCUMENTED = sorted(set(documented()))
RUNS = [(name, words) for name, words in DOCUMENTED if name != "."]
REPRODUCTIONS = [words for name, words in DOCUMENTED if name == "."]
PERTURBED = ("--speed_perturb_factors", "0.9 1.0")
FURTHER = [
    *((name, (*words, *OTHER_SET)) for name in RECIPES for words in ((), LM)),
    *(
        (name, (*PERTURBED, *words))
        for name in RECIPES[:-1]
        for words in (LM, OTHER_SET)
    ),
    ("must_c/st1", ("--pretrain_asr", "true", *PERTURBED, *OTHER_SET)),
    ("slurp/slu1", ("--entities", "true", *LM, *OTHER_SET)),
    ("must_c/asr1", ("--expdir", "e e", "--dumpdir", "u *", "--datadir", "d/d", *LM)),
    ("xsum/sum1", ("--expdir", "e", "--dumpdir", "u", "--datadir", "d/d", *LM)),
]


def outputs(command):
    return [b for a, b in pairwise(command) if a in ("--out", "--output_dir")]


def inputs(command):
    """Files and folders that a command is told to read."""
    words = [re.split("[,:]", word)[0] for word in command if "/" in word]
    return [word for word in words if word not in outputs(command)]


def within(place, folders):
    return not {place, *map(str, Path(place).parents)}.isdisjoint(folders)


def misfits(planned, recipe):
    """What is wrong in a plan: a line each.

    What a unit reads is there, as configurations are, or lies in a folder of what an earlier
    unit makes. It makes what its commands write. What they are told to read counts: this
    unit reads it, or one does on whose work it depends.
    """
    makers, covered = {}, {}
    for unit in planned.units:
        written = [out for command in unit.commands for out in outputs(command)]
        depends = set(unit.reads)
        for place in unit.reads:
            maker = makers.get(place) or makers.get(os.path.dirname(place))
            depends |= covered.get(maker, set())
            given = (
                place.startswith(("/", "conf/", "../")) and (recipe / place).exists()
            )
            if not maker and not given:
                yield f"{unit.name} reads {place}, which nothing makes"
        corpus = {b for c in unit.commands for a, b in pairwise(c) if a == "--corpus"}
        for place in {p for command in unit.commands for p in inputs(command)} - corpus:
            place = place.replace("/tokens.txt", "/bpe.model")  # they come together
            config = unit.trains and place.endswith(".yaml") and "conf/" in place
            found = within(place, {*depends, *written, *unit.words["finds"]})
            if not config and not found:
                yield f"{unit.name} is told of {place}, but does not depend on it"
        for name in unit.makes:
            if not within(name, written):
                yield f"{unit.name} makes {name}, where it writes nothing"
            makers[os.path.dirname(name)] = str(unit.log)
        covered[str(unit.log)] = depends
    if len(covered) < len(planned.units):
        yield "two units have one log"


@pytest.mark.parametrize(("name", "words"), FURTHER, ids=str)
def test_what_a_unit_reads_was_made_before(name, words, plan):
    assert list(misfits(plan(name, *words), ROOT / "egs2" / name)) == []


def test_there_are_some():
    assert len(RUNS) > 25 and len(REPRODUCTIONS) > 2
    assert {name for name, _ in RUNS} == set(RECIPES)


@pytest.mark.parametrize(
    ("name", "words"), RUNS, ids=[f"{name} {' '.join(words)}" for name, words in RUNS]
)
def test_a_documented_run(name, words, plan, tmp_path, monkeypatch):
    words = list(words)
    for i, word in enumerate(words):
        # corpora are there, and models that others trained
        if word.startswith(("/path/to/", "/data/")) or word.endswith(".pth"):
            path = tmp_path / Path(word).name
            path.touch() if path.suffix else path.mkdir()
            words[i] = str(path)
    monkeypatch.chdir(ROOT / "egs2" / name)
    planned = plan(name, *words, mini=False)
    assert planned.units[-1].name == "13.table"
    if "--stage" not in words:
        assert list(misfits(planned, Path())) == []
    # a package that only AMI's paper setting needs
    monkeypatch.setattr(check_recipe, "find_spec", lambda _: True)
    check_recipe.main(planned.checked)


@pytest.mark.parametrize("words", REPRODUCTIONS, ids=" ".join)
def test_a_documented_reproduction(words, plan, tmp_path, monkeypatch):
    """The runs that it begins are such as a run.sh takes."""
    monkeypatch.chdir(tmp_path)
    lines = [f"{name} {tmp_path}\n" for name in ("must_c", "xsum", "ami", "slurp")]
    (tmp_path / "corpora.txt").write_text("".join(lines))
    runs = []

    class Child:
        def __init__(self, words, **_):
            runs.append((words[0].parent.relative_to(ROOT / "egs2"), *words[1:]))

        def wait(self):
            return 0

    monkeypatch.setattr(reproduce, "Child", Child)
    reproduce.Reproduction(ROOT / "egs2", words).run()
    last = {(name, "--dry_run" in options): options for name, *options in runs}
    for (name, dry), options in last.items():
        planned = plan(name.as_posix(), *options, mini=False)
        assert planned.units[-1].name == "13.table"
        assert planned.dry_run == str(dry).lower()
