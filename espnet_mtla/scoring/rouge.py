"""ROUGE by ``rouge-score``, the reference implementation in Python."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.scoring import BootstrapAggregator

MEASURES = ("rouge1", "rouge2", "rougeL")
_SAMPLES = 1000


@contextmanager
def _drawing_the_same() -> Iterator[None]:
    """Seed NumPy's global generator, from which the aggregator draws."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)


def rouge(
    references: Sequence[str], hypotheses: Sequence[str], use_stemmer: bool = True
) -> dict:
    """Score a test set.

    Args:
        references: one an utterance.
        hypotheses: in the same order; an empty one scores 0.
        use_stemmer: compare word stems, as published results on XSum do.

    Returns:
        ``rouge1``, ``rouge2``, ``rougeL``: mean F1, 0 to 100; ``intervals``: for
        each, its 95 % bootstrap confidence interval (always the same draws);
        ``signature``.
    """
    scorer = RougeScorer(MEASURES, use_stemmer=use_stemmer)
    aggregator = BootstrapAggregator(confidence_interval=0.95, n_samples=_SAMPLES)
    scores = [scorer.score(r, h) for r, h in zip(references, hypotheses, strict=True)]
    for score in scores:
        aggregator.add_scores(score)
    with _drawing_the_same():
        bounds = aggregator.aggregate()
    result: dict = {
        name: round(100 * float(np.mean([score[name].fmeasure for score in scores])), 2)
        for name in MEASURES
    }
    result["intervals"] = {
        name: [round(100 * float(b.fmeasure), 2) for b in (bound.low, bound.high)]
        for name, bound in bounds.items()
    }
    stemmer = "yes" if use_stemmer else "no"
    result["signature"] = (
        f"fmeasure|stemmer:{stemmer}|bootstrap:{_SAMPLES}|"
        f"rouge-score:{version('rouge-score')}"
    )
    return result
