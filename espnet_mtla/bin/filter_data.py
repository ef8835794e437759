"""Drop utterances that are too short, too long or without text (stage 4)."""

import argparse

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and do it."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.filter_data", description=__doc__
    )
    parser.add_argument("--data", required=True, help="formatted directory")
    parser.add_argument("--out", required=True, help="directory for what is kept")
    parser.add_argument("--min_wav_duration", type=float, default=0.1, help="seconds")
    parser.add_argument("--max_wav_duration", type=float, default=30.0, help="seconds")
    args = parser.parse_args()

    from espnet_mtla.corpora.filter import filter_data

    print(
        filter_data(args.data, args.out, args.min_wav_duration, args.max_wav_duration)
    )


if __name__ == "__main__":
    run(main)
