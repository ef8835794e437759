"""Write Kaldi-style data directories for MuST-C (v1, v2 or v3)."""

import argparse

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and prepare the splits."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.prepare_must_c", description=__doc__
    )
    parser.add_argument(
        "--corpus", required=True, help="corpus root, such as MUSTC_v1.0"
    )
    parser.add_argument("--tgt_lang", default="de", help="language of the translation")
    parser.add_argument(
        "--out",
        default="data",
        help="gets one directory a split: <split>.en-<tgt_lang>",
    )
    parser.add_argument(
        "--splits",
        nargs="+",
        default=["train", "dev", "tst-COMMON", "tst-HE"],
        help="which splits (default: %(default)s)",
    )
    args = parser.parse_args()

    from espnet_mtla.corpora.must_c import prepare_must_c

    print(prepare_must_c(args.corpus, args.tgt_lang, args.out, tuple(args.splits)))


if __name__ == "__main__":
    run(main)
