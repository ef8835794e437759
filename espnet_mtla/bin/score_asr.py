"""Scores a decoded test set of speech recognition: WER, CER, TER (stage 13)."""

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from espnet_mtla.bin import run


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``result.txt``, ``result.json``, ``ref`` and ``hyp`` under ``--out``."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.score_asr", description=__doc__
    )
    parser.add_argument("--ref", required=True, help="references: id, then text")
    parser.add_argument("--hyp", required=True, help="hypotheses, likewise")
    parser.add_argument("--bpemodel", help="sentencepiece model whose units TER counts")
    parser.add_argument("--out", required=True, help="folder for the results")
    args = parser.parse_args(argv)

    from espnet_mtla.scoring.text import aligned, write_result
    from espnet_mtla.scoring.wer import characters, count, table
    from espnet_mtla.units import load_units

    logging.basicConfig(level="INFO", format="%(levelname)s: %(message)s")
    refs, hyps, missing = aligned(args.ref, args.hyp)
    splits: dict[str, Callable[[str], list[str]]]
    splits = {"wer": str.split, "cer": characters}
    if args.bpemodel:
        splits["ter"] = load_units(args.bpemodel)
    name = "/".join(Path(args.hyp).parts[-3:-1]) or Path(args.hyp).name
    lines: list[str] = []
    result: dict[str, object] = {}
    for measure, split in splits.items():
        counts = count([split(ref) for ref in refs], [split(hyp) for hyp in hyps])
        lines += ["", f"### {measure.upper()}", *table({name: counts})]
        result[measure] = round(counts.error_rate, 2)
        result[f"{measure}_counts"] = asdict(counts)
    result["missing"] = missing
    print(write_result(args.out, refs, hyps, result, lines[1:]))


if __name__ == "__main__":
    run(main)
