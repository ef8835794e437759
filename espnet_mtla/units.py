"""Subword units with sentencepiece, and token lists as ESPnet has them."""

import io
import re
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

import sentencepiece

from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open, read_table

BLANK, UNKNOWN, SOS_EOS = "<blank>", "<unk>", "<sos/eos>"


def train_units(
    texts: list[Path | str],
    nbpe: int,
    bpemode: str,
    out: Path | str | None,
    character_coverage: float = 1.0,
    normalization: str = "nmt_nfkc",
) -> str:
    """Train a sentencepiece model; the same text gives the same files.

    Writes ``out/bpe.model``, ``bpe.vocab`` and ``tokens.txt`` (``<blank>``,
    ``<unk>``, the pieces, ``<sos/eos>``: ``nbpe`` lines in all).

    Args:
        texts: Kaldi text files (an id, then the text).
        nbpe: tokens in all, the special ones included.
        bpemode: ``unigram``, ``bpe`` or ``char``.
        out: folder; None to write nothing.
        character_coverage: share of the characters that get a piece.
        normalization: sentencepiece's rule. Its default, NFKC, makes Chinese and
            Japanese punctuation Latin, also in what is decoded; ``identity``
            keeps a text as it is.

    Raises:
        InputError: there is no text, or ``nbpe`` does not fit it.
    """
    sentences = [text for path in texts for text in read_table(path).values() if text]
    names = ", ".join(map(str, texts))
    if not sentences:
        raise InputError(f"{names}: no text to train units on")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            vocab_size=nbpe,
            model_type=bpemode,
            character_coverage=character_coverage,
            normalization_rule_name=normalization,
            # sentencepiece leaves longer ones out, such as articles
            max_sentence_length=max(4192, *(len(s.encode()) for s in sentences)),
            # Threads would add floating-point sums in another order.
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as e:
        raise InputError(_explain(str(e), nbpe, names)) from None
    units = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    if out is None:
        return f"{len(units)} tokens from {len(sentences)} sentences"
    out = Path(out)
    pieces = [(units.id_to_piece(i), units.get_score(i)) for i in range(len(units))]
    with atomic_open(out / "bpe.model", "wb") as file:
        file.write(model.getvalue())
    with atomic_open(out / "bpe.vocab") as file:
        file.writelines(f"{piece}\t{score:g}\n" for piece, score in pieces)
    # sentencepiece's own <unk>, <s> and </s> come first and make room for ours.
    tokens = [BLANK, UNKNOWN, *(piece for piece, _ in pieces[3:]), SOS_EOS]
    with atomic_open(out / "tokens.txt") as file:
        file.writelines(f"{token}\n" for token in tokens)
    return f"{out}: {len(tokens)} tokens from {len(sentences)} sentences"


def load_units(path: Path | str) -> Callable[[str], list[str]]:
    """Load a sentencepiece model as a function from a text to its pieces.

    Raises:
        InputError: the file is missing or no model.
    """
    try:
        units = sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError):
        problem = "is no sentencepiece model" if Path(path).is_file() else "is missing"
        raise InputError(f"{path} {problem}: make the units first (stage 5)") from None
    return units.encode_as_pieces


def cut_words(
    text: str, units: Callable[[str], list[str]], most: int
) -> tuple[str, int]:
    """Keep the whole words at the beginning that take at most ``most`` units.

    Args:
        text: words with spaces between them.
        units: what :func:`load_units` returns.
        most: how many units may stay; one word stays whatever it takes.

    Returns:
        What is kept, and how many units it takes.
    """
    length = len(units(text))
    if length <= most:
        return text, length
    words = text.split()
    lengths = range(1, len(words) + 1)
    kept = bisect_right(lengths, most, key=lambda n: len(units(" ".join(words[:n]))))
    text = " ".join(words[: max(1, kept)])
    return text, len(units(text))


def _explain(message: str, nbpe: int, names: str) -> str:
    """Turn sentencepiece's complaint into one line with the value that works."""
    if match := re.search(r"value <= (\d+)", message):
        return f"--nbpe {nbpe} is too large for {names}: at most {match[1]} works"
    if match := re.search(r"required_chars\D*\d+ vs (\d+)", message):
        return f"--nbpe {nbpe} is too small for {names}: at least {match[1]} works"
    return f"--nbpe {nbpe}: sentencepiece cannot use {names} ({message.strip()})"
