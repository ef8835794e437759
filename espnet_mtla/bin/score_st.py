"""Scores a decoded test set of speech translation: BLEU, chrF, TER (stage 13)."""

import argparse
import logging
from collections.abc import Sequence

from espnet_mtla.bin import run


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``result.json``, ``result.txt``, ``ref`` and ``hyp`` under ``--out``."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.score_st", description=__doc__
    )
    parser.add_argument("--ref", required=True, help="references: id, then text")
    parser.add_argument("--hyp", required=True, help="hypotheses, likewise")
    parser.add_argument(
        "--tgt_lang", default="", help="their language, for sacrebleu's tokeniser"
    )
    parser.add_argument("--out", required=True, help="folder for the results")
    args = parser.parse_args(argv)

    from espnet_mtla.scoring.text import aligned, write_result
    from espnet_mtla.scoring.translation import translation

    logging.basicConfig(level="INFO", format="%(levelname)s: %(message)s")
    refs, hyps, missing = aligned(args.ref, args.hyp)
    result = translation(refs, hyps, args.tgt_lang)
    lines = result.pop("lines")
    result["missing"] = missing
    write_result(args.out, refs, hyps, result, [*lines, result["signature"]])
    print(f"{args.hyp}: {', '.join(lines)} ({result['signature']})")


if __name__ == "__main__":
    run(main)
