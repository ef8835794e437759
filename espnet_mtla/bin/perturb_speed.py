"""Repeat a training set's utterances at other speeds (stage 2)."""

import argparse

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and do it."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.perturb_speed", description=__doc__
    )
    parser.add_argument("--data", required=True, help="data directory")
    parser.add_argument(
        "--factors", required=True, nargs="+", help="speeds, such as 0.9 1.0 1.1"
    )
    parser.add_argument("--out", required=True, help="such as data/train_sp")
    args = parser.parse_args()

    from espnet_mtla.corpora.perturb import perturb_speed

    print(perturb_speed(args.data, args.out, args.factors))


if __name__ == "__main__":
    run(main)
