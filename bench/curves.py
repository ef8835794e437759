"""Learning curves of trained models beside each other: validation accuracy an epoch.

    python -m bench.curves egs2/must_c/st1/exp/mini/st_* --output curves.json

Accuracy is ESPnet's, teacher-forced, as its trainer kept it in ``checkpoint.pth``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml

from bench import machine
from bench.tables import finish
from espnet_mtla.bin import run
from espnet_mtla.errors import InputError
from espnet_mtla.scoring.trained import label_of


def config_of(experiment: Path) -> dict:
    """Read an experiment's ``config.yaml``.

    Raises:
        InputError: there is none.
    """
    path = experiment / "config.yaml"
    if not path.is_file():
        raise InputError(f"{experiment}: no experiment, it has no config.yaml")
    with open(path, encoding="utf-8") as f:
        return yaml.load(f, yaml.CSafeLoader)


def curve(experiment: Path) -> dict:
    """Return the variant, seed and accuracies of one experiment.

    Raises:
        InputError: it has no finished epoch.
    """
    config, path = config_of(experiment), experiment / "checkpoint.pth"
    if not path.is_file():
        raise InputError(f"{experiment}: no epoch is finished, there is no {path.name}")
    stats = torch.load(path, map_location="cpu", weights_only=True)["reporter"]["stats"]
    return {
        "experiment": experiment.name,
        "decoder": label_of(config),
        "seed": config.get("seed", 0),
        "accuracy": [stats[epoch]["valid"]["acc"] for epoch in sorted(stats)],
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Print and write the curves."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.curves", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("experiments", nargs="+", type=Path)
    parser.add_argument("--output", type=machine.json_file, help="JSON of them")
    args = parser.parse_args(argv)
    curves = [curve(experiment) for experiment in args.experiments]
    curves.sort(key=lambda c: (c["decoder"], c["seed"], c["experiment"]))
    data = {"bench": "curves", "machine": machine.describe("cpu"), "curves": curves}
    finish(data, args.output, argv)


if __name__ == "__main__":
    run(main)
