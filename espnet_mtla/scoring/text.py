"""Aligning hypotheses with references by utterance id."""

import logging
from pathlib import Path

from espnet_mtla.corpora.datadir import read_table
from espnet_mtla.errors import InputError

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
