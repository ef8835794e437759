"""A function tried in a forked process, which may crash or hang.

What this process imported, the other has too; a GPU it has to itself, as long as
nothing here has touched CUDA.
"""

import faulthandler
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import NamedTuple

from espnet_mtla.errors import InputError

FORK = multiprocessing.get_context("fork")
STDERR = 2  # what sys.__stderr__ writes to, where there is one


class Outcome(NamedTuple):
    """How a trial ended.

    Attributes:
        reason: why it failed; empty when it did not.
        at: whom it was at.
        out_of_time: whether it would have been given longer.
    """

    reason: str = ""
    at: str = ""
    out_of_time: bool = False


def tried(
    function: Callable, arguments: tuple, limit: float, deadline: float
) -> Outcome:
    """Try ``function(*arguments, without, at)``, again without whom it failed at.

    Args:
        function: takes a dictionary of those to leave out, with the reasons, and a
            function to be told whom it is at.
        arguments: before these two.
        limit: seconds for one trial.
        deadline: of them all, by the monotonic clock.
    """
    without: dict[str, str] = {}
    while True:
        left = deadline - time.monotonic()
        outcome = attempt(function, (*arguments, without), min(limit, left))
        if not outcome.reason:
            return outcome
        if outcome.out_of_time and left < limit:
            return outcome._replace(reason="the time was over")
        outcome = outcome._replace(out_of_time=False)
        if not outcome.at or outcome.at in without:
            return outcome
        print(f"== again without {outcome.at}: {outcome.reason}", flush=True)
        without[outcome.at] = outcome.reason


def attempt(function: Callable, arguments: tuple, limit: float) -> Outcome:
    """Run ``function(*arguments, at)`` in a process, for ``limit`` seconds at most."""
    sys.stdout.flush()
    hears, tells = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_inside, args=(tells, function, arguments, limit))
    process.daemon = True
    process.start()
    tells.close()
    end = time.monotonic() + limit
    at = reason = ""
    with hears:
        while hears.poll(max(0.0, end - time.monotonic())):
            try:
                kind, text = hears.recv()
            except EOFError:
                break
            if kind == "at":
                at = text
            else:
                reason = text
        else:
            process.kill()
            process.join(10)  # one that waits for a GPU may outlive it
            return Outcome(f"no end in {limit:.0f} s", at, out_of_time=True)
    process.join(10)
    code = process.exitcode
    if code and not reason:
        reason = (
            f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
        )
    return Outcome(reason, at)


def _inside(tells, function: Callable, arguments: tuple, limit: float) -> None:
    """Run the function, tell what there is to tell, and end at once."""
    code = 0
    try:
        faulthandler.enable(STDERR)
        # says where it hangs
        faulthandler.dump_traceback_later(max(0.1, limit - 1), file=STDERR)
        function(*arguments, lambda name: tells.send(("at", name)))
    except BaseException as e:  # noqa: BLE001, told to the parent
        if not isinstance(e, InputError):
            traceback.print_exc()
        tells.send(("failed", one_line(e)))
        code = 1
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a broken GPU's clean-up may hang


def one_line(error: BaseException) -> str:
    """Return the first line of what an exception says, and but for ours its kind."""
    lines = str(error).strip().splitlines() or ["no message"]
    if isinstance(error, InputError):
        return lines[0]
    return f"{type(error).__name__}: {lines[0][:200]}"
