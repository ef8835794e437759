"""Hints for mistyped names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is nearest, if it is near enough.

    Letters that changed places are nearer than one that is missing.
    """
    matches = difflib.get_close_matches(name, list(known))
    swapped = [match for match in matches if sorted(match) == sorted(name)]
    return next(iter(swapped + matches), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the nearest known name, or nothing."""
    match = nearest(name, known)
    return f" (did you mean {match!r}?)" if match else ""
