"""Error rates of words, characters and units, counted as NIST's sclite does.

sclite aligns with costs 3 for an insertion, 3 for a deletion and 4 for a
substitution, so its counts are not those of the plain edit distance: it finds
two errors and a match (``a b`` read as ``b c``: delete, match, insert) where
the edit distance may as well say two substitutions. Of alignments that cost
the same, the one with fewest errors is counted; sclite, nearly always so, may
count one more in such a tie. Case counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from rapidfuzz.distance import Levenshtein

from espnet_mtla.errors import InputError

_EDIT, _SUBSTITUTION = 3, 4
# Costs times this, plus one an error: a cost in the multiples, errors in the rest.
_SCALE = 10**6
_WEIGHTS = (_EDIT * _SCALE + 1, _EDIT * _SCALE + 1, _SUBSTITUTION * _SCALE + 1)

HEAD = ("dataset", "Snt", "Wrd", "Corr", "Sub", "Del", "Ins", "Err", "S.Err")


@dataclass(frozen=True)
class Counts:
    """What sclite counts; add two to count them together.

    Attributes:
        sentences: utterances.
        words: words (characters, units) of the references.
        correct: of those, found in the hypothesis.
        substitutions: of those, taken for another.
        deletions: of those, missing.
        insertions: words of the hypotheses that no reference has.
        wrong_sentences: utterances with an error.
    """

    sentences: int = 0
    words: int = 0
    correct: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    wrong_sentences: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other))))

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def error_rate(self) -> float:
        """Errors, % of the references' words."""
        return 100 * self.errors / self.words

    def row(self, name: str) -> str:
        """One line of ESPnet's table: counts, then percentages."""
        shares = (self.correct, self.substitutions, self.deletions, self.insertions)
        percent = [100 * n / self.words for n in (*shares, self.errors)]
        percent.append(100 * self.wrong_sentences / self.sentences)
        cells = [name, str(self.sentences), str(self.words)]
        return "|" + "|".join(cells + [f"{p:.1f}" for p in percent]) + "|"


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> Counts:
    """Count one utterance.

    Args:
        reference: its words, or characters, or units.
        hypothesis: likewise; may be empty.
    """
    distance = Levenshtein.distance(reference, hypothesis, weights=_WEIGHTS)
    cost, errors = divmod(distance, _SCALE)
    # cost = 3 (D + I) + 4 S, errors = D + I + S, and D - I is the lengths' difference
    substitutions = cost - _EDIT * errors
    deletions = (errors - substitutions + len(reference) - len(hypothesis)) // 2
    return Counts(
        sentences=1,
        words=len(reference),
        correct=len(reference) - substitutions - deletions,
        substitutions=substitutions,
        deletions=deletions,
        insertions=errors - substitutions - deletions,
        wrong_sentences=int(errors > 0),
    )


def count(
    references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]
) -> Counts:
    """Count a test set.

    Raises:
        InputError: no reference has a word.
    """
    total = sum(map(align, references, hypotheses), Counts())
    if not total.words:
        raise InputError("no reference has a word: there is no error rate")
    return total


def table(rows: Mapping[str, Counts]) -> list[str]:
    """Lay out counts by name as ESPnet's results show them, one line a row."""
    head = ["|" + "|".join(HEAD) + "|", "|---" * len(HEAD) + "|"]
    return head + [counts.row(name) for name, counts in rows.items()]


def characters(text: str) -> list[str]:
    """Split into characters; a space counts as one, as in ESPnet's CER."""
    return list(" ".join(text.split()))
