"""Compares trained variants: quality, time and memory in one table (stage 13).

Prints a report in ESPnet's form (environment, then tables, the paper's figures
beside its own test set), and writes it as Markdown and as JSON.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from espnet_mtla.bin import run
from espnet_mtla.errors import InputError


def main(argv: Sequence[str] | None = None) -> None:
    """Print and write the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.compare", description=__doc__
    )
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="experiments (exp/st_...), a folder of them (exp/mini) or a recipe "
        "(egs2/must_c/st1)",
    )
    parser.add_argument(
        "--corpus",
        help="whose figures of the paper stand beside ours (default: the recipe's)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("RESULTS.md"),
        help="Markdown to write, and JSON beside it (default: RESULTS.md)",
    )
    parser.add_argument(
        "--readme",
        type=Path,
        help="a README whose results, between <!-- results --> and "
        "<!-- /results -->, to replace by these",
    )
    args = parser.parse_args(argv)
    if args.out.suffix == ".json":
        raise InputError(f"--out {args.out}: name the Markdown; JSON goes beside it")

    from espnet_mtla.environment import environment
    from espnet_mtla.files import atomic_open
    from espnet_mtla.scoring.report import fill, report
    from espnet_mtla.scoring.trained import find_trained

    text, data = report(find_trained(args.paths, args.corpus), environment())
    if args.readme:
        fill(args.readme, text)
    text = "# RESULTS\n" + text
    with atomic_open(args.out) as f:
        f.write(text)
    with atomic_open(args.out.with_suffix(".json")) as f:
        json.dump(data, f, indent=2, ensure_ascii=False)
        f.write("\n")
    print(text)


if __name__ == "__main__":
    run(main)
