"""What versions up to 0.2.1 left of a unit of work: its log, and a stamp with another hash.

Days of training are not begun anew because of an upgrade.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from espnet_mtla.recipe.record import Extent, learnt


def commands(log: Path) -> list[list[str]]:
    """Return the commands that a log says were run, of :mod:`espnet_mtla.bin`."""
    try:
        lines = log.read_text("utf-8", "surrogateescape").splitlines()
        run = [shlex.split(line[1:])[2:] for line in lines if line[:2] == "# "]
    except (OSError, ValueError):
        return []
    return [[c.removeprefix("espnet_mtla.bin."), *words] for c, *words in run]


def learnt_before(command: Sequence[str], folder: Path) -> tuple[list, Extent]:
    """Return what a training learnt, whose configuration is the merged one of then.

    Args:
        command: of the training.
        folder: of the experiment.

    Raises:
        InputError: the configuration is gone.
    """
    from espnet_mtla.config import take_option

    name, *words = command
    _, rest = take_option("config", words)
    return learnt([name, "--config", str(folder / "train.yaml"), *rest])
