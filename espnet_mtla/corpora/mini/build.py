"""Making a corpus once, whatever its layout, and knowing it again."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_mtla.corpora.report import MARKER
from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open


@dataclass(frozen=True)
class Recipe:
    """What decides every byte of a corpus. ``version`` counts its makers."""

    num_train: int = 4000
    num_dev: int = 150
    num_test: int = 200
    seed: int = 1
    version: int = 1


@dataclass(frozen=True)
class Layout:
    """How a corpus lies on disk.

    Args:
        corpus: its name.
        folders: what it consists of, below its root; made again as a whole.
        plan: decides from a recipe what is said, and writes nothing.
        write: takes the root, that plan and a number of processes, writes the
            folders and returns one line a split for a person to read.
    """

    corpus: str
    folders: tuple[str, ...]
    plan: Callable[[Recipe], Any]
    write: Callable[[Path, Any, int], list[str]]


def make_mini(out: Path | str, recipe: Recipe, layout: Layout, nj: int = 1) -> str:
    """Make a corpus under ``out``, or find it there already.

    Args:
        out: the corpus root.
        recipe: sizes and seed.
        layout: whose on-disk layout.
        nj: processes; they do not change the result.

    Returns:
        What was done, one line a split, for a person to read.

    Raises:
        InputError: a size is below 1, or ``out`` holds another corpus.
    """
    out = Path(out)
    for name in ("num_train", "num_dev", "num_test"):
        if getattr(recipe, name) < 1:
            raise InputError(f"--{name} {getattr(recipe, name)}: must be at least 1")
    if recipe.seed < 0:
        raise InputError(f"--seed {recipe.seed}: must not be negative")
    marker, folders = out / MARKER, [out / name for name in layout.folders]
    state = _read_marker(marker)
    ours = state.get("corpus", layout.corpus) == layout.corpus
    done = ours and state.get("complete") and state["recipe"] == vars(recipe)
    if done and state.get("files") == _count(folders):
        return f"{out}: complete already, left as it is\n{state['summary']}"
    there = any(folder.exists() for folder in folders)
    if not ours or (not marker.exists() and there):
        raise InputError(f"--out {out} holds another corpus: choose another folder")
    plan = layout.plan(recipe)
    state = {"complete": False, "corpus": layout.corpus, "recipe": vars(recipe)}
    # Claimed before the first file: a rerun may then delete what it finds.
    _write_marker(marker, state)
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)
    lines = layout.write(out, plan, nj)
    state |= {"complete": True, "files": _count(folders), "summary": "\n".join(lines)}
    _write_marker(marker, state)
    return state["summary"]


def _count(folders: list[Path]) -> int:
    return sum(path.is_file() for folder in folders for path in folder.rglob("*"))


def _read_marker(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def _write_marker(path: Path, state: dict) -> None:
    with atomic_open(path) as file:
        json.dump(state, file, indent=1)
        file.write("\n")
