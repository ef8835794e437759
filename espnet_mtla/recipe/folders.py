"""Names of folders that are made from options."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from espnet_mtla.errors import InputError

LONGEST = 230
"""Bytes of a folder's name that a file system takes, with a date behind it too."""
READABLE = 120
"""Characters of one that a person reads."""


def tidy(*words: str) -> str:
    """Return words as part of a file name.

    Where letters of other alphabets or lines are lost, a hash tells them apart.
    """
    joined = "_".join(words).replace("--", "").replace("=", "")
    name = re.sub(r"[^A-Za-z0-9._-]", "_", joined)
    return name if re.fullmatch(r"[ -~]*", joined) else f"{name}-{_hash(joined)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:6]


def readable(folder: str) -> str:
    """Return a folder whose name is cut, if it is long, with a hash for its end.

    Not of one that is there: version 0.2.1 and earlier ones did not cut names.
    """
    name = Path(folder).name
    if len(name) <= READABLE or Path(folder).exists():
        return folder
    cut = f"{name[: READABLE - 7]}-{_hash(name)}"
    return str(Path(folder).with_name(cut))


def part(words: Sequence[str]) -> str:
    """Return words as a part of a name that others stand before, if there are any."""
    return f"_{tidy(*words)}" if words else ""


def without_search(words: Sequence[str]) -> tuple[list[str], str]:
    """Split options of decoding into all but ``--search``, and what a name ends with for it.

    That is ``_search_<name>``, and nothing for the usual search, ``fast``.
    """
    said = " ".join(words)
    pattern = r"--search[= ](\S+)"
    named = re.findall(pattern, said)[-1:]
    end = "" if named == ["fast"] else part([f"search_{name}" for name in named])
    return re.sub(pattern, "", said).split(), end


def short_enough(folder: str, option: str) -> None:
    """Refuse a name that a file system does not take.

    Raises:
        InputError: naming the option that gives a shorter one.
    """
    size = len(os.fsencode(Path(folder).name))
    if size > LONGEST:
        raise InputError(
            f"a folder's name would have {size} bytes: give it a shorter one with "
            f"--{option}"
        )
