"""Scores a decoded test set of spoken language understanding (stage 13)."""

import argparse
import logging
from collections.abc import Sequence

from espnet_mtla.bin import run

_NAMES = {
    "intent": "intent accuracy",
    "scenario": "scenario accuracy",
    "action": "action accuracy",
    "entity_f1": "entity F1, exact",
    "word_f1": "entity F1, word distance",
    "char_f1": "entity F1, character distance",
    "slu_f1": "SLU-F1",
    "wer": "WER of the transcript",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Write ``result.json``, ``result.txt``, ``ref`` and ``hyp`` under ``--out``."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.score_slu", description=__doc__
    )
    parser.add_argument(
        "--ref",
        required=True,
        help="targets: id, intent, transcript; or id, intent, entities, transcript",
    )
    parser.add_argument("--hyp", required=True, help="hypotheses, likewise")
    parser.add_argument("--out", required=True, help="folder for the results")
    args = parser.parse_args(argv)

    from espnet_mtla.corpora.meaning import has_entities, read_target
    from espnet_mtla.scoring.slu import score_slu
    from espnet_mtla.scoring.text import aligned, write_result
    from espnet_mtla.scoring.wer import count

    logging.basicConfig(level="INFO", format="%(levelname)s: %(message)s")
    refs, hyps, missing = aligned(args.ref, args.hyp)
    true, found = ([read_target(line) for line in lines] for lines in (refs, hyps))
    result = score_slu(true, found, entities=any(map(has_entities, refs)))
    words = [[m.transcript.split() for m in group] for group in (true, found)]
    result["wer"] = round(count(*words).error_rate, 2)
    lines = [f"{_NAMES[name]}: {value:.2f} %" for name, value in result.items()]
    write_result(args.out, refs, hyps, result | {"missing": missing}, lines)
    print(f"{args.hyp}: {', '.join(lines)}")


if __name__ == "__main__":
    run(main)
