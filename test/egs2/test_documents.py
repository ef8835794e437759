"""Every command of a README, with a fake Python (see conftest.py), and its real checks."""

import re
import shlex
from pathlib import Path

import pytest

from espnet_mtla.bin import check_recipe
from espnet_mtla.recipe.reproduce import Reproduction

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "egs2/README.md", "docs/training.md", "CONTRIBUTING.md"]
PAGES += sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("egs2/*/*/README.md"))


def commands():
    """Recipe (empty for reproduce.sh) and words of each, with the place of the page."""
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if re.match(r"[a-z0-9_/.]*(run|reproduce)\.sh ", line):
                    script, *words = shlex.split(line, comments=True)
                    yield (ROOT / script if "egs2" in script else ROOT / page), words


COMMANDS = sorted({(p.parent, p.name, tuple(w)) for p, w in commands()})
RUNS = [(f, w) for f, name, w in COMMANDS if f != ROOT / "egs2"]
REPRODUCTIONS = [w for f, _, w in COMMANDS if f == ROOT / "egs2"]


def there(words, folder, recipe):
    """The words, with corpora that are there; models that others trained are too."""
    for word in words:
        path = Path(word)
        if word.startswith(("/path/to/", "/data/")):
            path = folder / path.name
            path.touch() if path.suffix == ".gz" else path.mkdir(exist_ok=True)
        elif path.suffix == ".pth":
            model = recipe / path
            model.parent.mkdir(parents=True, exist_ok=True)
            model.touch()
        yield str(path) if path.is_absolute() else word


def test_there_are_some():
    assert len(RUNS) > 25 and len(REPRODUCTIONS) > 2
    assert len({folder for folder, _ in RUNS}) == 6


@pytest.mark.parametrize(
    ("folder", "words"), RUNS, ids=[f"{f.parent.name} {' '.join(w)}" for f, w in RUNS]
)
def test_a_run(folder, words, recipe_class, tmp_path, monkeypatch):
    recipe = recipe_class(tmp_path, folder.relative_to(ROOT / "egs2").as_posix())
    words = list(there(words, tmp_path, recipe.dir))
    if "--python" not in words:
        words += ["--python", str(recipe.python)]
    if "--stage" in words:  # the stages before it were run
        before = list(words)
        before[before.index("--stage") + 1] = "1"
        recipe.ok(*before, python=False, mini=False)
    done = recipe.ok(*words, python=False, mini=False)
    assert done.stdout.splitlines()[-1] == "|model|BLEU|"
    monkeypatch.chdir(folder)
    # a package that only AMI's paper setting needs
    monkeypatch.setattr(check_recipe, "find_spec", lambda _: True)
    checked = (Path(f"{recipe.calls_file}.check0")).read_bytes().decode().split("\0")
    check_recipe.main(checked[:-1])


@pytest.mark.parametrize("words", REPRODUCTIONS, ids=" ".join)
def test_a_reproduction(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"{name} {tmp_path}\n" for name in ("must_c", "xsum", "ami", "slurp")]
    (tmp_path / "corpora.txt").write_text("".join(lines))
    assert Reproduction(ROOT / "egs2", words).decoders
