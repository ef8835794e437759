"""Train sentencepiece units and write ESPnet's token list (stage 5)."""

import argparse

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and do it."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.tokens", description=__doc__
    )
    parser.add_argument("--text", required=True, nargs="+", help="Kaldi text files")
    parser.add_argument("--nbpe", type=int, required=True, help="tokens in all")
    parser.add_argument(
        "--bpemode", choices=["unigram", "bpe", "char"], default="unigram"
    )
    parser.add_argument(
        "--character_coverage", type=float, default=1.0, help="sentencepiece's option"
    )
    parser.add_argument(
        "--normalization",
        choices=["nmt_nfkc", "identity"],
        default="nmt_nfkc",
        help="sentencepiece's rule; identity keeps the text as it is",
    )
    parser.add_argument(
        "--out",
        help="gets bpe.model, bpe.vocab and tokens.txt; without it, whether there are "
        "so many units is found out, and nothing written",
    )
    args = parser.parse_args()

    from espnet_mtla.units import train_units

    print(
        train_units(
            args.text,
            args.nbpe,
            args.bpemode,
            args.out,
            args.character_coverage,
            args.normalization,
        )
    )


if __name__ == "__main__":
    run(main)
