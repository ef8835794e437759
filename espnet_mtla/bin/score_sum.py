"""Scores a decoded test set of summarisation (stage 13)."""

import argparse
import logging
from collections.abc import Sequence

from espnet_mtla.bin import run


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``result.json``, ``result.txt``, ``ref`` and ``hyp`` under ``--out``."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.score_sum", description=__doc__
    )
    parser.add_argument("--ref", required=True, help="references: id, then summary")
    parser.add_argument("--hyp", required=True, help="hypotheses, likewise")
    parser.add_argument(
        "--use_stemmer",
        choices=("true", "false"),
        default="true",
        help="compare word stems, as published results do (default: true)",
    )
    parser.add_argument("--out", required=True, help="folder for the results")
    args = parser.parse_args(argv)

    from espnet_mtla.scoring.rouge import MEASURES, rouge
    from espnet_mtla.scoring.text import aligned, write_result

    logging.basicConfig(level="INFO", format="%(levelname)s: %(message)s")
    # rouge-score logs through absl, which says once for each scorer what it uses.
    logging.getLogger("absl").setLevel("WARNING")
    refs, hyps, missing = aligned(args.ref, args.hyp)
    result = rouge(refs, hyps, use_stemmer=args.use_stemmer == "true")
    lines = []
    for name in MEASURES:
        low, high = result["intervals"][name]
        label = f"ROUGE-{name.removeprefix('rouge')}"
        lines.append(f"{label}: {result[name]:.2f} (95 %: {low:.2f} to {high:.2f})")
    result["missing"] = missing
    write_result(args.out, refs, hyps, result, [*lines, result["signature"]])
    print(f"{args.hyp}: {', '.join(lines)} ({result['signature']})")


if __name__ == "__main__":
    run(main)
