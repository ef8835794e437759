"""Cut the articles of a text directory to a number of units (stage 5)."""

import argparse

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and cut one directory."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.cut_text", description=__doc__
    )
    parser.add_argument("--data", required=True, help="directory: src_text and text")
    parser.add_argument("--bpemodel", required=True, help="what units are counted in")
    parser.add_argument("--max_units", type=int, default=1024, help="how many may stay")
    parser.add_argument("--out", required=True, help="such as dump/raw/<set>")
    args = parser.parse_args()
    if args.max_units < 1:
        parser.error("--max_units must be at least 1")

    from espnet_mtla.corpora.cut import cut_articles

    print(cut_articles(args.data, args.out, args.bpemodel, args.max_units))


if __name__ == "__main__":
    run(main)
