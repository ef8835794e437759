"""Command line options, declared once: read, checked and explained by the same lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from espnet_mtla.errors import InputError
from espnet_mtla.nearest import did_you_mean, nearest

KINDS = {
    "bool": (r"true|false", "is true or false"),
    "int": (r"0|[1-9][0-9]*", "is a whole number"),
    "count": (r"[1-9][0-9]*", "is a whole number of at least 1"),
    "number": (r"[0-9]+(\.[0-9]+)?", "is a number"),
}
"""What a value of a kind looks like, and what is said of another."""
BRACES = re.compile(r"\{([a-z_]+)\}")


@dataclass
class Option:
    """One option.

    Attributes:
        name: without its dashes.
        kind: of :data:`KINDS`; ``text``; ``path``, a file or folder that is there; or
            words to choose from, as ``flac|wav``.
        default: where it is not given. ``{other}`` stands for the value of ``--other``.
        help: one line.
        mini: its default in small runs; None where that is the same.
    """

    name: str
    kind: str
    default: str
    help: str
    mini: str | None = None

    def check(self, value: str) -> None:
        """Refuse a value that is not of its kind.

        Raises:
            InputError: naming the option and its value.
        """
        if "|" in self.kind:
            choices = self.kind.split("|")
            if value not in choices:
                said = f"is {' or '.join(choices)}"
                raise InputError(f"--{self.name} {said}, not '{value}'")
        elif self.kind in KINDS:
            pattern, said = KINDS[self.kind]
            if not re.fullmatch(pattern, value):
                raise InputError(f"--{self.name} {said}, not '{value}'")

    @property
    def of_size(self) -> bool:
        """Whether ``--size`` decides on its default, and not ``--mini``."""
        return self.name.endswith(("_config", "nbpe", "bpemode"))

    def explained(self) -> str:
        """Its line of ``--help``."""
        shown = self.default
        if self.mini is not None:
            small = "--size mini" if self.of_size else "--mini true"
            shown += f"; with {small}: {self.mini}"
        return f"  --{self.name:<20} {self.help}" + (f" ({shown})" if shown else "")


class HelpAsked(Exception):
    """``--help`` is among the words."""


class Options:
    """The options of one command, and their values once they are read.

    Args:
        declared: in the order of ``--help``.
        paper: words that stand for ``--paper true``.
    """

    def __init__(self, declared: Iterable[Option], paper: Sequence[str] = ()):
        self.paper = paper
        self.declared = {option.name: option for option in declared}
        self.values: dict[str, str] = {}
        self.given: set[str] = set()

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        return name in self.declared

    def __iter__(self) -> Iterator[str]:
        return iter(self.declared)

    def is_true(self, name: str) -> bool:
        """Whether an option is there and is ``true``."""
        return self.values.get(name) == "true"

    def words(self, name: str) -> list[str]:
        """Return the words of a value, on however many lines they stand."""
        return self.values.get(name, "").split()

    def read(self, words: Sequence[str]) -> None:
        """Read a command line, ``--name value`` or ``--name=value``, and set defaults.

        Raises:
            InputError: an unknown option, or a value that is not of its kind.
            HelpAsked: for ``-h`` or ``--help``.
        """
        for name, value in self._pairs(words):
            self.values[name] = value
            self.given.add(name)
        if self.is_true("paper"):
            for name, value in self._pairs(self.paper):
                if name not in self.given:
                    self.values[name] = value
                    self.given.add(name)
        self._set_defaults()

    def _pairs(self, words: Sequence[str]) -> Iterator[tuple[str, str]]:
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word in ("-h", "--help"):
                raise HelpAsked
            name, equals, value = word[2:].partition("=")
            if not word.startswith("--") or not name:
                raise InputError(
                    f"'{word}' is not an option: options are --name value (see --help)"
                )
            if name not in self.declared:
                found = nearest(name, self.declared)
                hint = f"did you mean --{found}? " if found else ""
                raise InputError(f"unknown option --{name}: {hint}see --help")
            if not equals:
                # an option's name in the place of the value: that was forgotten
                if not rest or self._names(rest[0]):
                    raise InputError(f"--{name} needs a value")
                value = rest.pop(0)
            self.declared[name].check(value)
            yield name, value

    def _names(self, word: str) -> bool:
        return word.startswith("--") and word[2:].partition("=")[0] in self.declared

    def _set_defaults(self) -> None:
        # which other defaults hang on
        first = [name for name in ("mini", "size") if name in self.declared]
        for name in [*first, *self.declared]:
            self.values[name] = value = self._settled(name)
            if name not in self.given and value:
                try:
                    self.declared[name].check(value)
                except InputError as e:
                    raise InputError(f"{e} (this recipe's default)") from None

    def _settled(self, name: str, asked: tuple[str, ...] = ()) -> str:
        """What was given, word for word; else the default, with those in its braces."""
        if name in self.given:
            return self.values[name]
        if name in asked or name not in self.declared:
            return f"{{{name}}}"
        return self._default(name, asked)

    def _default(self, name: str, asked: tuple[str, ...] = ()) -> str:
        asked = (*asked, name)
        return BRACES.sub(lambda m: self._settled(m[1], asked), self.default(name))

    def default(self, name: str) -> str:
        """Return an option's default, with other options in braces perhaps."""
        option = self.declared[name]
        small = self.is_true("mini")
        if option.of_size:
            small = self.values.get("size") == "mini"
        return option.mini if small and option.mini is not None else option.default

    def resolved(self, value: str) -> str:
        """Put the values of options where ``{name}`` stands for them."""
        return BRACES.sub(lambda m: self.values.get(m[1], m[0]), value)

    def differs(self, name: str) -> bool:
        """Whether an option was given another value than its default."""
        if name not in self.given or name not in self:
            return False
        return self.values[name] != self._default(name)

    def explained(self) -> str:
        """The lines of ``--help``."""
        return "\n".join(option.explained() for option in self.declared.values())


def one_of(what: str, name: str, known: Sequence[str]) -> None:
    """Refuse a name that is not known.

    Raises:
        InputError: beginning with ``what``.
    """
    if name not in known:
        hint = did_you_mean(name, known)
        raise InputError(f"{what} '{name}'{hint}; there are: {' '.join(known)}")
