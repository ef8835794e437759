"""Make a small synthetic corpus in a published corpus's layout."""

import argparse
import os

from espnet_mtla.bin import run
from espnet_mtla.corpora.mini import CORPORA, find_layout


def main() -> None:
    """Parse the options and make the corpus."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.make_mini", description=__doc__
    )
    parser.add_argument(
        "--corpus", required=True, choices=CORPORA, help="whose on-disk layout"
    )
    parser.add_argument("--out", required=True, help="corpus root to make")
    parser.add_argument("--num_train", type=int, default=4000, help="utterances")
    parser.add_argument("--num_dev", type=int, default=150, help="utterances")
    parser.add_argument(
        "--num_test",
        type=int,
        default=200,
        help="utterances (MuST-C's tst-HE gets a quarter as many)",
    )
    parser.add_argument("--seed", type=int, default=1, help="decides every byte")
    parser.add_argument(
        "--nj", type=int, default=min(4, os.cpu_count() or 1), help="processes"
    )
    args = parser.parse_args()
    if args.nj < 1:
        parser.error("--nj must be at least 1")

    from espnet_mtla.corpora.mini.build import Recipe, make_mini

    recipe = Recipe(args.num_train, args.num_dev, args.num_test, args.seed)
    print(make_mini(args.out, recipe, find_layout(args.corpus), nj=args.nj))


if __name__ == "__main__":
    run(main)
