"""Aligning hypotheses with references by utterance id."""

import logging
from pathlib import Path

from espnet_mtla.errors import InputError

logger = logging.getLogger(__name__)


def read_text(path: Path | str) -> dict[str, str]:
    """Read a Kaldi-style text file: an id, then the text (which may be empty).

    Raises:
        InputError: the file is missing, or an id stands twice.
    """
    lines: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                key, _, value = line.rstrip("\n").partition(" ")
                if key in lines:
                    raise InputError(f"{path}:{number}: {key} stands twice")
                lines[key] = value.strip()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; decode first (stage 12)") from None
    return lines


def aligned(ref: Path | str, hyp: Path | str) -> tuple[list[str], list[str], int]:
    """Pair references with hypotheses, in the order of the references.

    A reference without a hypothesis is paired with an empty one, so that it
    counts as wrong, and is reported.

    Returns:
        References, hypotheses, and how many hypotheses were missing.

    Raises:
        InputError: no reference at all, or a hypothesis for an unknown id.
    """
    refs, hyps = read_text(ref), read_text(hyp)
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
