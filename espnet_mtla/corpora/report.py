"""Sentences about a corpus for a person to read."""

import logging
from collections import Counter
from pathlib import Path

logger = logging.getLogger(__name__)

MARKER = "mini.json"
"""Lies in a corpus that is not as large as the published one, and is not meant to be."""


def of_own_size(corpus: Path | str) -> bool:
    """Whether the published counts say nothing of a corpus."""
    return (Path(corpus) / MARKER).exists()


def dropped(reasons: Counter) -> str:
    """What was left out and why, as the end of a line; empty if nothing was."""
    if not reasons:
        return ""
    why = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return f"; dropped {reasons.total()}: {why}"


def beside_published(name: str, count: int, published: int | None) -> str:
    """A count beside the published one, with a warning in the log if they differ.

    Args:
        name: what is counted, such as ``test: recordings``.
        count: how many there are.
        published: how many there should be; ``None`` if that is not known.
    """
    if published is None:
        return f"{name}: {count}"
    if count != published:
        logger.warning(
            "%s: %d, but %d were published: is the corpus complete? "
            "Once it is, run.sh --stage 1 reads it again.",
            name,
            count,
            published,
        )
    return f"{name}: {count} (published: {published})"
