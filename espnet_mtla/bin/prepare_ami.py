"""Write Kaldi-style data directories for AMI's headset microphones."""

import argparse
import logging

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and prepare the splits."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.prepare_ami", description=__doc__
    )
    parser.add_argument(
        "--corpus", required=True, help="folder with the annotations and amicorpus"
    )
    parser.add_argument("--out", default="data", help="gets one directory a split")
    parser.add_argument(
        "--splits",
        nargs="+",
        default=["ihm_train", "ihm_dev", "ihm_eval"],
        help="which splits (default: %(default)s)",
    )
    args = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(levelname)s: %(message)s")

    from espnet_mtla.corpora.ami import prepare_ami

    print(prepare_ami(args.corpus, args.out, tuple(args.splits)))


if __name__ == "__main__":
    run(main)
