"""Aligning hypotheses with references by utterance id, and writing scores."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open, read_table

logger = logging.getLogger(__name__)


def aligned(ref: Path | str, hyp: Path | str) -> tuple[list[str], list[str], int]:
    """Pair references with hypotheses, in the order of the references.

    A reference without a hypothesis is paired with an empty one, so that it
    counts as wrong, and is reported.

    Returns:
        References, hypotheses, and how many hypotheses were missing.

    Raises:
        InputError: a file is missing or malformed, there is no reference at
            all, or a hypothesis for an unknown id.
    """
    refs, hyps = read_table(ref), read_table(hyp)
    if not refs:
        raise InputError(f"{ref}: no references")
    unknown = [key for key in hyps if key not in refs]
    if unknown:
        raise InputError(
            f"{hyp}: {unknown[0]} (and {len(unknown) - 1} more) is not in {ref}"
        )
    missing = [key for key in refs if key not in hyps]
    if missing:
        logger.warning(
            "%s: %d of %d utterances have no hypothesis and count as empty, as %s",
            hyp,
            len(missing),
            len(refs),
            missing[0],
        )
    return list(refs.values()), [hyps.get(key, "") for key in refs], len(missing)


def write_result(
    out: Path | str,
    references: Sequence[str],
    hypotheses: Sequence[str],
    result: dict,
    lines: Sequence[str],
) -> str:
    """Write what every scorer leaves behind: ``ref``, ``hyp`` and its figures.

    Args:
        out: folder, made where it is missing.
        references: texts, one an utterance.
        hypotheses: likewise.
        result: goes into ``result.json``, with ``sentences`` (how many) and
            ``exact`` (share of hypotheses equal to their reference).
        lines: of ``result.txt``, for a person.

    Returns:
        ``lines`` as one text.
    """
    out = Path(out)
    for name, texts in (("ref", references), ("hyp", hypotheses)):
        with atomic_open(out / name) as f:
            f.writelines(text + "\n" for text in texts)
    with atomic_open(out / "result.txt") as f:
        f.writelines(line + "\n" for line in lines)
    exact = sum(r == h for r, h in zip(references, hypotheses)) / len(references)
    with atomic_open(out / "result.json") as f:
        full = result | {"sentences": len(references), "exact": round(exact, 4)}
        json.dump(full, f, indent=2)
        f.write("\n")
    return "\n".join(lines)
