"""BLEU, chrF and TER by sacrebleu, on detokenised text: cased, but for TER."""

from collections.abc import Sequence
from typing import Any

from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest

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


def translation(
    references: Sequence[str], hypotheses: Sequence[str], language: str = ""
) -> dict:
    """Score a test set.

    Args:
        references: texts, one an utterance.
        hypotheses: likewise.
        language: of both, as ``zh``; decides how they are tokenised.

    Returns:
        ``bleu``, ``chrf`` (0 to 100) and ``ter`` (errors, % of the references'
        words); ``signature`` of the three; ``lines`` as sacrebleu prints them;
        ``language``.
    """
    result: dict = {"language": language}
    spaceless = language in ("ja", "zh")
    ter = TER(normalized=spaceless, asian_support=spaceless)
    metrics = {"bleu": bleu_metric(language), "chrf": CHRF(), "ter": ter}
    signatures, lines = [], []
    for name, metric in metrics.items():
        score = metric.corpus_score(list(hypotheses), [list(references)])
        result[name] = round(score.score, 2)
        signatures.append(f"{score.name}|{metric.get_signature()}")
        lines.append(score.format(width=2))
    return result | {"signature": "; ".join(signatures), "lines": lines}


def bleu_p_values(
    references: Sequence[str],
    baseline: Sequence[str],
    systems: Sequence[Sequence[str]],
    language: str = "",
) -> list[float]:
    """Test whether BLEU differs from a baseline's, by paired bootstrap.

    sacrebleu's test with 1000 resamples, seeded with 12345 (or the environment's
    ``SACREBLEU_SEED``). It takes no difference at all for a certain one: here the
    p-value of equal scores is 1.

    Args:
        references: one an utterance.
        baseline: its hypotheses, in the same order.
        systems: hypotheses of those that are compared with it.
        language: as of :func:`translation`.

    Returns:
        A p-value for each system.
    """
    named: list[tuple[str, Sequence[str]]]
    named = [(str(i), list(texts)) for i, texts in enumerate([baseline, *systems])]
    metrics = {"bleu": bleu_metric(language)}
    _, found = PairedTest(named, metrics, [list(references)], "bs")()
    results: list[Any] = found["BLEU"]  # sacrebleu's annotation allows strings in it
    base, *others = results
    return [1.0 if r.score == base.score else r.p_value for r in others]
