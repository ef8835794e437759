"""Scores a decoded test set of speech translation (stage 13)."""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from espnet_mtla.bin import run
from espnet_mtla.corpora.datadir import atomic_open
from espnet_mtla.scoring.bleu import bleu
from espnet_mtla.scoring.text import aligned


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``result.json``, ``result.txt``, ``ref`` and ``hyp`` under ``--out``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ref", required=True, help="references: id, then text")
    parser.add_argument("--hyp", required=True, help="hypotheses, likewise")
    parser.add_argument("--out", required=True, help="folder for the results")
    args = parser.parse_args(argv)
    logging.basicConfig(level="INFO", format="%(levelname)s: %(message)s")
    refs, hyps, missing = aligned(args.ref, args.hyp)
    result = bleu(refs, hyps)
    exact = sum(r == h for r, h in zip(refs, hyps)) / len(refs)
    result |= {"sentences": len(refs), "missing": missing, "exact": round(exact, 4)}
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for name, lines in (("ref", refs), ("hyp", hyps)):
        with atomic_open(out / name) as f:
            f.writelines(line + "\n" for line in lines)
    with atomic_open(out / "result.txt") as f:
        f.write(f"{result['line']}\n{result['signature']}\n")
    with atomic_open(out / "result.json") as f:
        json.dump(result, f, indent=2)
        f.write("\n")
    print(f"{args.hyp}: {result['line']} ({result['signature']})")


if __name__ == "__main__":
    run(main)
