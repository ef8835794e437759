"""Cost of a decoding step against prompt length and against text length.

    python -m bench.scaling --output scaling.json
    python -m bench.scaling --axis tokens --values 25 100 400 --contenders ours:mtla4

For each length the contenders are measured as :mod:`bench.decode` does.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace

from bench import machine
from bench.contender import CACHED
from bench.decode import CONTENDERS_HELP, compare
from bench.presets import SHARED
from bench.tables import finish
from bench.work import Case, add_options, chosen
from espnet_mtla.bin import run

AXES = {
    "prompt": (250, 500, 1000, 2000, 4000, 8000, 16000),
    "tokens": (25, 50, 100, 200, 400),
}
"""Lengths measured, of prompt frames and of text tokens."""
DEFAULT = Case(utterances=1, beam=10, prompt=250, tokens=20)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print one row a length."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.scaling", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--axis", default="prompt", choices=AXES)
    parser.add_argument("--values", nargs="+", type=machine.count, help="lengths")
    parser.add_argument(
        "--contenders",
        nargs="+",
        default=(*SHARED, CACHED),
        help=CONTENDERS_HELP,
        metavar="NAME",
    )
    machine.add_options(parser)
    add_options(parser)
    args = parser.parse_args(argv)
    machine.set_up(args.device, args.threads)
    logging.disable(logging.WARNING)  # ESPnet's, of texts that reach their length
    case = chosen(args, DEFAULT)
    limits = machine.ceilings(args.device, machine.DTYPES[args.dtype])
    data = {
        "bench": "scaling",
        "axis": args.axis,
        "machine": machine.describe(args.device),
        "dtype": args.dtype,
        "ceilings": limits,
        "cases": [
            compare(
                replace(case, **{args.axis: length}),
                args.contenders,
                device=args.device,
                dtype=args.dtype,
                repeats=args.repeats,
                limits=limits,
            )
            for length in args.values or AXES[args.axis]
        ],
    }
    finish(data, args.output, argv)


if __name__ == "__main__":
    run(main)
