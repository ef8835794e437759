"""BLEU by sacrebleu, on detokenised, cased text."""

from collections.abc import Sequence

from sacrebleu.metrics import BLEU


def bleu(references: Sequence[str], hypotheses: Sequence[str]) -> dict:
    """Score a test set.

    Returns:
        ``bleu`` (0 to 100), ``signature`` and ``line`` (as sacrebleu prints it).
    """
    metric = BLEU()
    score = metric.corpus_score(list(hypotheses), [list(references)])
    return {
        "bleu": round(score.score, 2),
        "signature": str(metric.get_signature()),
        "line": score.format(width=2),
    }
