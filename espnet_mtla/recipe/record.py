"""What a unit of work depends on: the contents of its inputs, and what a training learns."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

TABLES = r"(src_)?text(\.[a-z]+)*(_shape)?|wav\.scp|segments|utt2[a-z_]+|spk2utt|text_shape\.bpe"
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


def learnt(command: Sequence[str]) -> tuple[list, int | None]:
    """Return what decides what a training learns, and for how many epochs.

    Args:
        command: of training, with ESPnet's options.
    """
    from espnet_mtla.config import NOT_TRAINING, merged_config, overlaid, take_option

    name, *words = command
    configs, rest = take_option("config", words)
    conf = overlaid(merged_config(configs), rest)
    epochs = conf.pop("max_epoch", None)
    counts = {k: v for k, v in conf.items() if not k.startswith(NOT_TRAINING)}
    return [name, counts], epochs if isinstance(epochs, int) else None
