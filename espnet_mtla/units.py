"""Subword units with sentencepiece, token lists and shapes as ESPnet has them."""

import io
import re
from pathlib import Path

import sentencepiece

from espnet_mtla.corpora.datadir import (
    atomic_open,
    read_lines,
    read_samples,
    read_table,
    write_table,
)
from espnet_mtla.errors import InputError

BLANK, UNKNOWN, SOS_EOS = "<blank>", "<unk>", "<sos/eos>"


def train_units(
    texts: list[Path | str],
    nbpe: int,
    bpemode: str,
    out: Path | str,
    character_coverage: float = 1.0,
) -> str:
    """Train a sentencepiece model; the same text gives the same files.

    Writes ``out/bpe.model``, ``bpe.vocab`` and ``tokens.txt`` (``<blank>``,
    ``<unk>``, the pieces, ``<sos/eos>``: ``nbpe`` lines in all).

    Args:
        texts: Kaldi text files (an id, then the text).
        nbpe: tokens in all, the special ones included.
        bpemode: ``unigram``, ``bpe`` or ``char``.
        out: folder.
        character_coverage: share of the characters that get a piece.

    Raises:
        InputError: there is no text, or ``nbpe`` does not fit it.
    """
    out = Path(out)
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
            # Threads would add floating-point sums in another order.
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as e:
        raise InputError(_explain(str(e), nbpe, names)) from None
    units = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
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


def load_units(model: Path | str) -> sentencepiece.SentencePieceProcessor:
    """Load a sentencepiece model.

    Raises:
        InputError: it is missing or not a sentencepiece model.
    """
    if not Path(model).is_file():
        raise InputError(f"{model} is missing: train the units first")
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(model))
    except (RuntimeError, OSError):
        raise InputError(
            f"{model} is not a sentencepiece model: train it again"
        ) from None


def write_shapes(
    data: Path | str, out: Path | str, texts: list[tuple[str, str, Path | str]]
) -> str:
    """Write the shape files that ESPnet batches by, without ``collect_stats``.

    ``out/speech_shape`` has lines ``utterance samples``, ``out/<name>_shape.bpe``
    has ``utterance tokens,V`` with ``V`` the size of the token list.

    Args:
        data: a formatted data directory (``utt2num_samples`` and texts).
        out: folder.
        texts: for each text its name in ESPnet (``text``, ``src_text``), its
            file name in ``data``, and its ``bpe.model`` with ``tokens.txt``
            beside it.

    Raises:
        InputError: a file is missing, or an utterance lacks a text.
    """
    data, out = Path(data), Path(out)
    samples = read_samples(data / "utt2num_samples")
    shapes: dict[str, dict[str, str]] = {}
    for name, filename, model in texts:
        units, table = load_units(model), read_table(data / filename)
        vocabulary = len(read_tokens(Path(model).with_name("tokens.txt")))
        for utterance in samples:
            if not table.get(utterance):
                raise InputError(
                    f"{data / filename} has no text for {utterance}: run filter_data first"
                )
        counts = map(len, units.encode([table[u] for u in samples]))
        shapes[name] = {u: f"{n},{vocabulary}" for u, n in zip(samples, counts)}
    for name, rows in shapes.items():
        write_table(out / f"{name}_shape.bpe", rows)
    write_table(out / "speech_shape", samples)
    return f"{out}: shapes of {len(samples)} utterances for speech, {', '.join(shapes)}"


def read_tokens(path: Path | str) -> list[str]:
    """Read a token list, one token a line.

    Raises:
        InputError: it is missing, or not a token list of ours or ESPnet's.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} is missing: train the units first")
    tokens = read_lines(path)
    if len(tokens) < 3 or tokens[0] != BLANK or tokens[-1] != SOS_EOS:
        raise InputError(f"{path} is not a token list: train the units again")
    return tokens


def _explain(message: str, nbpe: int, names: str) -> str:
    """Turn sentencepiece's complaint into one line with the value that works."""
    if match := re.search(r"value <= (\d+)", message):
        return f"--nbpe {nbpe} is too large for {names}: at most {match[1]} works"
    if match := re.search(r"required_chars\D*\d+ vs (\d+)", message):
        return f"--nbpe {nbpe} is too small for {names}: at least {match[1]} works"
    return f"--nbpe {nbpe}: sentencepiece cannot use {names} ({message.strip()})"
