"""BLEU by sacrebleu, on detokenised, cased text."""

from collections.abc import Sequence

from sacrebleu.metrics import BLEU

from espnet_mtla.errors import InputError


def bleu_metric(language: str) -> BLEU:
    """BLEU with sacrebleu's tokeniser for a language: ``13a``, ``zh``, ``ja-mecab``.

    Raises:
        InputError: the language's tokeniser is not installed.
    """
    try:
        return BLEU(trg_lang=language)
    except RuntimeError as e:
        raise InputError(f"BLEU of {language}: {' '.join(str(e).split())}") from None


def bleu(
    references: Sequence[str], hypotheses: Sequence[str], language: str = ""
) -> dict:
    """Score a test set.

    Args:
        references: texts, one an utterance.
        hypotheses: likewise.
        language: of both, as ``zh``; decides how they are tokenised.

    Returns:
        ``bleu`` (0 to 100), ``signature`` and ``line`` (as sacrebleu prints it).
    """
    metric = bleu_metric(language)
    score = metric.corpus_score(list(hypotheses), [list(references)])
    return {
        "bleu": round(score.score, 2),
        "signature": str(metric.get_signature()),
        "line": score.format(width=2),
    }
