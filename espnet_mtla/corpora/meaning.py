"""What SLURP annotates of an utterance, as one line of text and back.

Without entities a target is ESPnet's: the intent, then the transcript::

    alarm_set wake me up at eight

With entities it is intent, entities and transcript, in that order::

    alarm_set SEP time FILL eight SEP wake me up at eight
    alarm_query SEP which alarms are set

``SEP`` stands before each entity and before the transcript, ``FILL`` between an
entity's type and its words. All else is lower case, so nothing is mistaken for
them and every target reads back as what it was made from; entities keep the
order of the annotation.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from espnet_mtla.errors import InputError

SEPARATOR, FILLER = "SEP", "FILL"
_ANNOTATION = re.compile(r"\[\s*([^\s:\[\]]+)\s*:\s*([^\[\]]*?)\s*\]")


class Entity(NamedTuple):
    """An entity: its type, and the words that fill it (SLURP: the filler)."""

    type: str
    filler: str


@dataclass(frozen=True)
class Meaning:
    """Scenario, action, entities and transcript of an utterance.

    All is lower case; a scenario holds no underscore (an action may).
    """

    scenario: str
    action: str
    transcript: str
    entities: tuple[Entity, ...] = ()

    @property
    def intent(self) -> str:
        """SLURP's intent: scenario and action."""
        return f"{self.scenario}_{self.action}"

    def target(self, entities: bool = False) -> str:
        """The line a model learns; see the module's text."""
        if not entities:
            return f"{self.intent} {self.transcript}"
        fills = [f"{e.type} {FILLER} {e.filler}" for e in self.entities]
        return f" {SEPARATOR} ".join((self.intent, *fills, self.transcript))


def has_entities(target: str) -> bool:
    """Whether a target was made with ``entities=True``."""
    return SEPARATOR in target.split()


def read_target(target: str) -> Meaning:
    """Read a target, or what a model made of one; this never fails.

    What stands between two ``SEP`` and has not a type, one ``FILL`` and words
    is no entity. An empty line has an empty scenario, action and transcript.
    """
    pieces: list[list[str]] = [[]]
    for word in target.split():
        if word == SEPARATOR:
            pieces.append([])
        else:
            pieces[-1].append(word)
    intent, rest = pieces[0][:1], pieces[0][1:]
    scenario, _, action = "".join(intent).partition("_")
    entities = []
    for piece in pieces[1:-1]:
        if piece.count(FILLER) == 1:
            at = piece.index(FILLER)
            if piece[:at] and piece[at + 1 :]:
                entities.append(Entity(" ".join(piece[:at]), " ".join(piece[at + 1 :])))
    transcript = " ".join(pieces[-1] if len(pieces) > 1 else rest)
    return Meaning(scenario, action, transcript, tuple(entities))


def read_annotation(text: str, where: str) -> tuple[str, tuple[Entity, ...]]:
    """Read SLURP's inline form, such as ``wake me up at [time : eight]``.

    Args:
        text: the annotated sentence.
        where: what an error message calls it.

    Returns:
        The sentence without annotation, and its entities; both lower case.

    Raises:
        InputError: a bracket is not closed or has no type.
    """
    entities = tuple(
        Entity(type_.lower(), " ".join(words.lower().split()))
        for type_, words in _ANNOTATION.findall(text)
    )
    plain = _ANNOTATION.sub(r"\2", text)
    if "[" in plain or "]" in plain:
        raise InputError(f"{where}: {text!r} is not annotated as [type : words]")
    return " ".join(plain.lower().split()), entities
