"""Scores a decoded test set of speech translation (stage 13)."""

import argparse
import logging
from collections.abc import Sequence

from espnet_mtla.bin import run
from espnet_mtla.scoring.bleu import bleu
from espnet_mtla.scoring.text import aligned, write_result


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``result.json``, ``result.txt``, ``ref`` and ``hyp`` under ``--out``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ref", required=True, help="references: id, then text")
    parser.add_argument("--hyp", required=True, help="hypotheses, likewise")
    parser.add_argument(
        "--tgt_lang", default="", help="their language, for sacrebleu's tokeniser"
    )
    parser.add_argument("--out", required=True, help="folder for the results")
    args = parser.parse_args(argv)
    logging.basicConfig(level="INFO", format="%(levelname)s: %(message)s")
    refs, hyps, missing = aligned(args.ref, args.hyp)
    result = bleu(refs, hyps, args.tgt_lang)
    lines = [result["line"], result["signature"]]
    write_result(args.out, refs, hyps, result | {"missing": missing}, lines)
    print(f"{args.hyp}: {result['line']} ({result['signature']})")


if __name__ == "__main__":
    run(main)
