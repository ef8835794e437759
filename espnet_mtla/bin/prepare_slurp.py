"""Write Kaldi-style data directories for SLURP."""

import argparse
import logging

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and prepare the splits."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.prepare_slurp", description=__doc__
    )
    parser.add_argument(
        "--corpus", required=True, help="corpus root, with dataset/slurp and audio"
    )
    parser.add_argument(
        "--synthetic",
        choices=("true", "false"),
        default="false",
        help="add train_synthetic to train (default: false)",
    )
    parser.add_argument("--out", default="data", help="gets one directory a split")
    parser.add_argument(
        "--splits",
        nargs="+",
        default=["train", "devel", "test"],
        help="which splits (default: %(default)s)",
    )
    args = parser.parse_args()

    from espnet_mtla.corpora.slurp import prepare_slurp

    logging.basicConfig(level="INFO", format="%(levelname)s: %(message)s")
    print(
        prepare_slurp(
            args.corpus,
            args.out,
            tuple(args.splits),
            synthetic=args.synthetic == "true",
        )
    )


if __name__ == "__main__":
    run(main)
