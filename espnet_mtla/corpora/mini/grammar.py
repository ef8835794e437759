"""Home-assistant commands with translations, drawn from a grammar kept as data."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import TypeVar

import numpy as np
import yaml

from espnet_mtla.errors import InputError

_SLOT = re.compile(r"\{(\w+)(?:#(\d))?(?:\.(\w+))?\}")
# The grammar is exhausted when this many draws in a row bring nothing new.
_PATIENCE = 1000

# (list, copy) -> the value that fills that slot
Fills = dict[tuple[str, str], dict]
Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Entity:
    """What fills one slot: its type, its English text and where that starts."""

    type: str
    text: str
    start: int


@dataclass(frozen=True)
class Command:
    """One command, as SLURP would annotate it, with its German translation."""

    scenario: str
    action: str
    english: str
    german: str
    entities: tuple[Entity, ...]


class Grammar:
    """Templates and entity lists, checked when they are read.

    Args:
        tree: the content of ``grammar.yaml``: ``commands`` and ``entities``.
        name: what error messages call it.

    Raises:
        InputError: a template names a list or a form that does not exist, or
            its two languages do not have the same slots.
    """

    def __init__(self, tree: dict, name: str = "grammar"):
        self.lists = tree["entities"]
        # (scenario, action, english, german), in the order of the file
        self.templates = [
            (scenario, action, english, german)
            for scenario, actions in tree["commands"].items()
            for action, pairs in actions.items()
            for english, german in pairs
        ]
        for _, _, english, german in self.templates:
            slots = [{m[:2] for m in _SLOT.findall(text)} for text in (english, german)]
            if slots[0] != slots[1]:
                raise InputError(f"{name}: slots differ in {english!r} and {german!r}")
            for entity, _, form in _SLOT.findall(english + german):
                values = self.lists.get(entity, {"values": []})["values"]
                if not any((form or "en") in value for value in values):
                    slot = f"{entity}.{form}" if form else entity
                    raise InputError(
                        f"{name}: {{{slot}}} in {english!r} is not defined"
                    )

    @classmethod
    def load(cls) -> "Grammar":
        """Read the grammar that comes with the package."""
        path = files(__package__) / "grammar.yaml"
        return cls(yaml.safe_load(path.read_text(encoding="utf-8")), path.name)

    def draw(self, rng: np.random.Generator) -> Command:
        """Draw one command: a template, then a value for each of its slots."""
        scenario, action, english, german = self.templates[
            rng.integers(len(self.templates))
        ]
        fills = self.draw_fills(english, rng)
        text, entities = self.fill_english(english, fills)
        return Command(scenario, action, text, _fill_german(german, fills), entities)

    def draw_fills(self, template: str, rng: np.random.Generator) -> Fills:
        """Draw a value for each slot of a template, no value twice."""
        fills: Fills = {}
        for entity, copy, _ in _SLOT.findall(template):
            if (entity, copy) in fills:
                continue
            taken = [value for key, value in fills.items() if key[0] == entity]
            free = [v for v in self.lists[entity]["values"] if v not in taken]
            fills[entity, copy] = free[rng.integers(len(free))]
        return fills

    def distinct(self, count: int, rng: np.random.Generator) -> Iterator[Command]:
        """Draw commands no two of which share their English or German text.

        Raises:
            InputError: the grammar cannot make ``count`` different commands.
        """
        return draw_distinct(
            lambda: self.draw(rng), lambda c: (c.english, c.german), count
        )

    def fill_english(
        self, template: str, fills: Fills
    ) -> tuple[str, tuple[Entity, ...]]:
        """Fill a template; return the text, and what fills its slots."""
        text, entities, end = "", [], 0
        for match in _SLOT.finditer(template):
            text += template[end : match.start()]
            end = match.end()
            entity, copy, _ = match.groups(default="")
            value = fills[entity, copy]["en"]
            entities.append(Entity(self.lists[entity]["type"], value, len(text)))
            text += value
        return text + template[end:], tuple(entities)


def draw_distinct(
    draw: Callable[[], Drawn], keys: Callable[[Drawn], Iterable[str]], count: int
) -> Iterator[Drawn]:
    """Draw until there are ``count`` things no two of which share a key.

    Raises:
        InputError: there are not so many.
    """
    seen: set[str] = set()
    made = misses = 0
    while made < count:
        drawn = draw()
        if not seen.isdisjoint(keys(drawn)):
            misses += 1
            if misses == _PATIENCE:
                raise InputError(
                    f"the grammar ran dry after {made} of {count} distinct texts: "
                    "ask for fewer utterances"
                )
            continue
        misses = 0
        made += 1
        seen.update(keys(drawn))
        yield drawn


def _fill_german(template: str, fills: Fills) -> str:
    def fill(match: re.Match) -> str:
        entity, copy, form = match.groups(default="")
        value = fills[entity, copy]
        return value.get(form, value["de"])

    text = _SLOT.sub(fill, template)
    return text[0].upper() + text[1:]
