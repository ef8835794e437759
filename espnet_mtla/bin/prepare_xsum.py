"""Write text directories for XSum: articles and their summaries."""

import argparse
import logging

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and prepare the splits."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.prepare_xsum", description=__doc__
    )
    parser.add_argument(
        "--corpus",
        required=True,
        help="folder with the Hugging Face dataset's files, or with the raw release",
    )
    parser.add_argument("--out", default="data", help="gets one directory a split")
    parser.add_argument(
        "--splits",
        nargs="+",
        default=["train", "validation", "test"],
        help="which splits (default: %(default)s)",
    )
    args = parser.parse_args()

    from espnet_mtla.corpora.xsum import prepare_xsum

    logging.basicConfig(level="INFO", format="%(levelname)s: %(message)s")
    print(prepare_xsum(args.corpus, args.out, tuple(args.splits)))


if __name__ == "__main__":
    run(main)
