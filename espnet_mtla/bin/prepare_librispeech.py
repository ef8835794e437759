"""Write Kaldi-style data directories for LibriSpeech."""

import argparse
import logging

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and prepare the parts."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.prepare_librispeech", description=__doc__
    )
    parser.add_argument("--corpus", required=True, help="the folder LibriSpeech")
    parser.add_argument(
        "--out", default="data", help="gets one directory a part, train_960 and dev"
    )
    parser.add_argument("--parts", nargs="+", help="which parts (default: all)")
    args = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(levelname)s: %(message)s")

    from espnet_mtla.corpora.librispeech import prepare_librispeech

    parts = tuple(args.parts) if args.parts else None
    print(prepare_librispeech(args.corpus, args.out, parts))


if __name__ == "__main__":
    run(main)
