"""What a unit of work depends on: the contents of its inputs, and what a training learns."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

TABLES = r"(src_)?text([._][\w.-]+)?|[a-z]+\.scp|segments|utt2[a-z_]+|spk2utt"
"""Names of what Kaldi and ESPnet have in a data directory, not of what lies beside it."""


def tables(path: Path) -> list[Path]:
    """Return a file itself, or the tables of a data directory."""
    if path.is_dir():
        return sorted(p for p in path.iterdir() if re.fullmatch(TABLES, p.name))
    return [path]


def written(path: Path) -> float:
    """Return when a file or the newest of a data directory's tables was written."""
    times = [file.stat().st_mtime for file in tables(path) if file.exists()]
    return max(times, default=0.0)


def digest(path: Path) -> str:
    """Return a hash of what is in a file, or in the tables of a data directory."""
    if path.is_dir():
        inside = [(p.name, digest(p)) for p in tables(path)]
        return hashlib.sha256(repr(inside).encode()).hexdigest()
    if not path.exists():
        return "missing"
    found = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(2**20):
            found.update(block)
    return found.hexdigest()


EXTENT = {"max_epoch": 40, "patience": None, "keep_nbest_models": 10}
"""ESPnet's options of how far a training goes, with its defaults."""


class Extent(NamedTuple):
    """How far a training is asked to go, beside what it learns.

    Attributes:
        epochs: how many.
        patience: epochs without a better one after which it ends.
        models: how many of the best are kept, and averaged in the end.
    """

    epochs: int = 0
    patience: int | None = None
    models: int = 0

    def goes_on_from(self, old: Extent) -> bool:
        """Whether a training that went so far, or shall, can go on to this extent.

        What was not kept cannot be averaged.
        """
        return self.models <= old.models

    def reached(self, old: Extent) -> bool:
        """Whether a training that is done went so far."""
        return self.epochs <= old.epochs and self[1:] == old[1:]


def learnt(command: Sequence[str]) -> tuple[list, Extent]:
    """Return what decides what a training learns, and how far it goes.

    Args:
        command: of training, with ESPnet's options.
    """
    from espnet_mtla.config import NOT_TRAINING, merged_config, overlaid, take_option

    name, *words = command
    configs, rest = take_option("config", words)
    conf = overlaid(merged_config(configs), rest)
    epochs, patience, models = (conf.pop(k, v) for k, v in EXTENT.items())
    models = max(models, default=1) if isinstance(models, list) else models
    patience = patience if isinstance(patience, int) else None  # "none", to YAML
    extent = Extent(epochs, patience, models)
    counts = {k: v for k, v in conf.items() if not k.startswith(NOT_TRAINING)}
    return [name, counts], extent
