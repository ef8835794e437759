"""Language model: ESPnet's ``lm_train``, which goes on after a broken checkpoint."""

import sys
from collections.abc import Sequence
from pathlib import Path

from espnet_mtla.bin import run
from espnet_mtla.checkpoint import put_broken_aside
from espnet_mtla.config import take_option


def train_lm(argv: Sequence[str] | None = None) -> None:
    """Train; everything is an option of ESPnet's (``sys.argv`` when None)."""
    options = list(sys.argv[1:] if argv is None else argv)
    for out in take_option("output_dir", options)[0]:
        put_broken_aside(Path(out) / "checkpoint.pth")
    from espnet_mtla import compat

    compat.task_class("lm").main(cmd=options)


if __name__ == "__main__":
    run(train_lm)
