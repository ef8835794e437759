"""What a unit of work depends on: the contents of its inputs, and what a training learns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path


def digest(path: Path) -> str:
    """Return a hash of what is in a file, or in those that lie directly in a folder."""
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".")
        inside = [(p.name, digest(p)) for p in files]
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
