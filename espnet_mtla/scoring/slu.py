"""Scores of spoken language understanding, as SLURP defines them.

Bastianelli et al., "SLURP: A Spoken Language Understanding Resource Package",
EMNLP 2020, and its evaluation program: intents are right or wrong; an entity is
found when its type is, and what its words differ from the true ones by counts as
that part of a false alarm and of a miss. SLU-F1 adds the counts of the distance
in words to those of the distance in characters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from espnet_mtla.corpora.meaning import Entity, Meaning

Distance = Callable[[str, str], float]


@dataclass(frozen=True)
class Confusion:
    """Hits, false alarms and misses; fractions of one where words differ."""

    hits: float = 0.0
    false_alarms: float = 0.0
    misses: float = 0.0

    def __add__(self, other: "Confusion") -> "Confusion":
        return Confusion(
            self.hits + other.hits,
            self.false_alarms + other.false_alarms,
            self.misses + other.misses,
        )

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 without a hit."""
        if not self.hits:
            return 0.0
        return self.hits / (self.hits + (self.false_alarms + self.misses) / 2)


def word_distance(true: str, found: str) -> float:
    """Word error rate of an entity's words: above 1 where words were added."""
    words = true.split()
    return Levenshtein.distance(words, found.split()) / len(words)


def char_distance(true: str, found: str) -> float:
    """Edit distance of characters over the longer length: 0 to 1."""
    return Levenshtein.normalized_distance(true, found)


def exact_entities(true: Sequence[Entity], found: Sequence[Entity]) -> Confusion:
    """Count entities of one utterance whose type and words are all right."""
    left = list(true)
    hits = 0
    for entity in found:
        if entity in left:
            left.remove(entity)
            hits += 1
    return Confusion(hits, len(found) - hits, len(left))


def distant_entities(
    true: Sequence[Entity], found: Sequence[Entity], distance: Distance
) -> Confusion:
    """Count entities of one utterance, words by ``distance``.

    Each entity found takes, in order, the nearest true one of its type that is
    still free (of equally near ones the first); without one it is a false alarm.
    """
    left = list(true)
    total = Confusion()
    for entity in found:
        near = [
            (distance(e.filler, entity.filler), i)
            for i, e in enumerate(left)
            if e.type == entity.type
        ]
        if near:
            far, i = min(near)
            del left[i]
            total += Confusion(1, far, far)
        else:
            total += Confusion(false_alarms=1)
    return total + Confusion(misses=len(left))


def score_slu(
    references: Sequence[Meaning], hypotheses: Sequence[Meaning], entities: bool
) -> dict[str, float]:
    """Score a test set.

    Args:
        references: one an utterance.
        hypotheses: in the same order; an empty one is wrong, and misses all
            entities.
        entities: score them too.

    Returns:
        Percentages: ``intent``, ``scenario``, ``action`` (accuracies) and, with
        entities, ``entity_f1`` (exact), ``word_f1``, ``char_f1``, ``slu_f1``.
    """
    pairs = list(zip(references, hypotheses, strict=True))
    result = {
        name: sum(getattr(r, name) == getattr(h, name) for r, h in pairs) / len(pairs)
        for name in ("intent", "scenario", "action")
    }
    if entities:
        found = [(r.entities, h.entities) for r, h in pairs]
        exact = sum((exact_entities(*pair) for pair in found), Confusion())
        word, char = (
            sum((distant_entities(*pair, distance) for pair in found), Confusion())
            for distance in (word_distance, char_distance)
        )
        scores = {"entity": exact, "word": word, "char": char, "slu": word + char}
        result |= {f"{name}_f1": counts.f1 for name, counts in scores.items()}
    return {name: round(100 * value, 2) for name, value in result.items()}
