"""Which utterances are decoded together, and what happens when they don't fit."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from espnet_mtla import compat
from espnet_mtla.errors import InputError

logger = logging.getLogger(__name__)

LEAST_SHARE = 0.5
"""Of a batch's longest utterance, what its shortest has at least."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def frames_at(bound: str | int, beam_size: int) -> int:
    """Return the most padded frames of a batch at a beam.

    What a search holds grows with frames times beam.

    Args:
        bound: ``50000x50`` for 50000 at a beam of 50, twice as many at 25;
            ``50000`` for as many at any beam; 0 for no bound.
        beam_size: ``K``.

    Returns:
        At least 1; 0 for no bound.

    Raises:
        ValueError: a bound of another form.
    """
    found = re.fullmatch(r"(\d+)(?:x([1-9]\d*))?", str(bound))
    if not found:
        raise ValueError(f"{bound}: give FRAMES, FRAMESxBEAM as in 50000x50, or 0")
    frames, beam = int(found[1]), int(found[2] or beam_size)
    return max(1, frames * beam // beam_size) if frames else 0


def plan_batches(
    lengths: Sequence[float], batch_size: int, max_padded: float
) -> list[list[int]]:
    """Sort utterances by length and cut them into batches.

    Args:
        lengths: of each utterance, in any unit. One is not padded to more than twice its
            own.
        batch_size: most utterances in a batch; 0 for no bound.
        max_padded: most padded length of a batch (its size times its longest),
            in the same unit; 0 for no bound. An utterance longer than that
            makes a batch by itself.

    Returns:
        Indices, longest batch first, so that what does not fit shows at once.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    batches: list[list[int]] = []
    for i in order:
        last = batches[-1] if batches else None
        if (
            last is None
            or (batch_size and len(last) == batch_size)
            or (max_padded and (len(last) + 1) * lengths[last[0]] > max_padded)
            or lengths[i] < LEAST_SHARE * lengths[last[0]]
        ):
            batches.append([i])
        else:
            last.append(i)
    return batches


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on an accelerator or on the host."""
    return (
        isinstance(error, MemoryError)
        or compat.is_out_of_memory_error(error)
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )


@dataclass(frozen=True)
class Failure:
    """What stands in the place of an utterance's result that there is none of.

    Attributes:
        name: of the utterance.
        reason: one line.
    """

    name: str
    reason: str


def halving(
    decode: Callable[[Sequence[Item]], list[Result]],
    batch: Sequence[Item],
    names: Sequence[str],
) -> list[Result | Failure]:
    """Decode a batch, in halves when it fails: none takes others with it.

    Args:
        decode: returns one result for each item of its batch.
        batch: items.
        names: utterance id of each, for messages.

    Returns:
        A result for each, or why there is none.

    Raises:
        InputError: what ``decode`` raises so, of which all others would fail too; with
            the utterance's id.
    """
    try:
        return list(decode(batch))
    except Exception as e:
        if isinstance(e, InputError) and len(batch) == 1:
            raise InputError(f"{names[0]}: {e}") from None
        no_room = out_of_memory(e)
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        if isinstance(e, LookupError):  # whose text is but what was looked for
            reason = f"{type(e).__name__} {reason}"
        if not no_room:
            logger.debug("%s", names, exc_info=e)
    # outside the handler: the exception's traceback keeps the batch alive
    if no_room:
        compat.release_accelerator_memory()
    if len(batch) == 1:
        if no_room:
            reason = (
                f"it does not fit into memory by itself ({reason}): lower --beam_size, "
                "or cut it into shorter segments"
            )
        return [Failure(names[0], reason)]
    half = len(batch) // 2
    logger.warning(
        "a batch of %d utterances (%s ...) %s: halved",
        len(batch),
        names[0],
        "does not fit into memory" if no_room else f"failed ({reason})",
    )
    return halving(decode, batch[:half], names[:half]) + halving(
        decode, batch[half:], names[half:]
    )
