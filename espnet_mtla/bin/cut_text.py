"""Cut long texts, such as articles, to a number of units."""

import argparse

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and cut one file."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.cut_text", description=__doc__
    )
    parser.add_argument("--text", required=True, help="file: id, then text")
    parser.add_argument("--bpemodel", required=True, help="what units are counted in")
    parser.add_argument("--max_units", type=int, default=1024, help="how many may stay")
    parser.add_argument("--out", required=True, help="file to write, likewise")
    args = parser.parse_args()
    if args.max_units < 1:
        parser.error("--max_units must be at least 1")

    from espnet_mtla.corpora.datadir import read_table, write_table
    from espnet_mtla.units import cut_words, load_units

    texts, units = read_table(args.text), load_units(args.bpemodel)
    kept = {key: cut_words(text, units, args.max_units) for key, text in texts.items()}
    write_table(args.out, kept)
    cut = sum(kept[key] != text for key, text in texts.items())
    print(f"{args.out}: {cut} of {len(texts)} cut to {args.max_units} units")


if __name__ == "__main__":
    run(main)
