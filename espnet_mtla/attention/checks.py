"""Options of attention, checked."""

from espnet_mtla.errors import InputError


def positive(name: str, value: int, least: int = 1) -> int:
    """Return an integer option, or say what is wrong with it.

    Raises:
        InputError: ``value`` is not an integer of at least ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name}={value!r}: give an integer of at least {least}")
    return value


def even(name: str, value: int) -> int:
    """Return an even option (rotated or paired channels).

    Raises:
        InputError: ``value`` is not a positive even integer.
    """
    if positive(name, value) % 2:
        raise InputError(f"{name}={value!r}: give an even number")
    return value


def rate(name: str, value: float) -> float:
    """Return a dropout rate.

    Raises:
        InputError: ``value`` is not a number of at least 0 and below 1.
    """
    if not isinstance(value, int | float) or not 0.0 <= value < 1.0:
        raise InputError(f"{name}={value!r}: give a number, 0 <= rate < 1")
    return value


def head_width(size: int, attention_heads: int) -> int:
    """Return ``d_h`` of ``attention_heads`` heads in a model of width ``size``.

    Raises:
        InputError: the heads do not divide the width.
    """
    positive("attention_heads", attention_heads)
    if size % attention_heads:
        raise InputError(
            f"attention_heads={attention_heads}: give a divisor of the width {size}"
        )
    return size // attention_heads
