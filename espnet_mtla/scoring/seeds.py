"""Models of one variant that differ in their seed alone: mean, spread, difference."""

import math
import statistics
from collections.abc import Sequence

from espnet_mtla.scoring.trained import Trained


def grouped(rows: Sequence[Trained]) -> list[list[Trained]]:
    """Put models of one variant, trained alike with several seeds, together.

    Where two have the same seed nothing says which of them counts, so each of these
    models stays alone.

    Returns:
        Groups in the order of ``rows``, which is kept inside them too.
    """
    groups: dict[tuple, list[Trained]] = {}
    for row in rows:
        groups.setdefault((row.label, row.training), []).append(row)
    found = []
    for group in groups.values():
        distinct = len({row.seed for row in group}) == len(group)
        found += [group] if distinct else [[row] for row in group]
    return found


def scores(group: Sequence[Trained], name: str) -> list[float] | None:
    """Return one score of each model; None where one lacks it."""
    values = [row.score[name] for row in group if row.score.get(name) is not None]
    return values if len(values) == len(group) else None


def spread(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation; None of a single value."""
    return statistics.stdev(values) if len(values) > 1 else None


def difference_p(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Return the p-value of two means that differ, by Welch's t-test (two-sided).

    None where a side has a single value, or no spread at all.
    """
    from scipy.stats import ttest_ind

    if min(len(ours), len(theirs)) < 2 or spread(ours) == spread(theirs) == 0:
        return None
    p = float(ttest_ind(ours, theirs, equal_var=False).pvalue)
    return None if math.isnan(p) else p
