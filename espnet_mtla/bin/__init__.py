"""Thin commands, one a stage: ``python -m espnet_mtla.bin.<name> --help``."""

import errno
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from espnet_mtla.errors import InputError

# Threads that wait for work spin before they sleep. GNU OpenMP, PyTorch's on Linux, lets
# them spin for milliseconds, in which other processes of a busy machine get nothing done
# (egs2/README.md). It reads this when PyTorch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def run(main: Callable[[], None]) -> NoReturn:
    """Run a command and turn what a person can mend into one clear line.

    Args:
        main: the command; it parses ``sys.argv`` itself.

    Exits with 0, or with 1 after printing ``error: <one line>`` to stderr for
    an :class:`InputError` or a full disk. Anything else is a bug of ours and
    keeps its traceback.
    """
    try:
        main()
    except InputError as e:
        sys.exit(f"error: {e}")
    except (OSError, RuntimeError) as e:
        if not disk_full(e):
            raise
        name = getattr(e, "filename", None)
        where = f" while writing {name}" if name else ""
        sys.exit(f"error: the disk is full{where}: free some space and run again")
    sys.exit(0)


def disk_full(error: Exception) -> bool:
    """Whether writing failed for want of space.

    ``torch.save`` says so in words of its own, without an ``errno``.
    """
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "PytorchStreamWriter failed writing" in str(error) or (
        "inline_container" in str(error) and "unexpected pos" in str(error)
    )
