"""Collect the text of a language model and count its units (stage 6)."""

import argparse

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and do it."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.lm_stats", description=__doc__
    )
    parser.add_argument("--text", nargs="*", default=[], help="Kaldi text files")
    parser.add_argument(
        "--lines", nargs="*", default=[], help="files of sentences, plain or .gz"
    )
    parser.add_argument("--bpemodel", required=True, help="what units are counted in")
    parser.add_argument("--token_list", required=True, help="their list")
    parser.add_argument("--out", required=True, help="gets text and text_shape.bpe")
    args = parser.parse_args()

    from espnet_mtla.corpora.lm_text import write_lm_text

    print(
        write_lm_text(args.text, args.lines, args.bpemodel, args.token_list, args.out)
    )


if __name__ == "__main__":
    run(main)
