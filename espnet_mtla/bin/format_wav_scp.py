"""Cut a data directory's utterances into audio files of their own (stage 3)."""

import argparse

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and do it."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.format_wav_scp", description=__doc__
    )
    parser.add_argument("--data", required=True, help="data directory with wav.scp")
    parser.add_argument("--out", required=True, help="such as dump/raw/<set>")
    parser.add_argument("--fs", type=int, default=16000, help="sampling rate, Hz")
    parser.add_argument("--audio_format", choices=["flac", "wav"], default="flac")
    parser.add_argument("--nj", type=int, default=1, help="processes")
    args = parser.parse_args()

    if args.fs < 1 or args.nj < 1:
        parser.error("--fs and --nj must be at least 1")

    from espnet_mtla.corpora.dump import format_wav_scp

    print(format_wav_scp(args.data, args.out, args.fs, args.audio_format, args.nj))


if __name__ == "__main__":
    run(main)
