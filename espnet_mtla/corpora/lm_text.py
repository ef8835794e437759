"""Text to train a language model on, and how many units each sentence has."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open, read_lines, read_table
from espnet_mtla.units import load_units


def write_lm_text(
    texts: Sequence[Path | str],
    lines: Sequence[Path | str],
    bpemodel: Path | str,
    token_list: Path | str,
    out: Path | str,
) -> str:
    """Collect sentences, which may be more than memory holds.

    Writes ``out/text`` (an id, then the sentence; empty ones are left out) and
    ``out/text_shape.bpe`` (the id, then ``<units>,<size of the token list>``),
    by which ESPnet counts ``batch_bins``.

    Args:
        texts: Kaldi text files (an id, then the text).
        lines: files of one sentence a line, plain or ``.gz``.
        bpemodel: sentencepiece model.
        token_list: one token a line.
        out: folder.

    Raises:
        InputError: a file that cannot be read, or there is no sentence.
    """
    out = Path(out)
    units, size = load_units(bpemodel), len(read_lines(token_list))
    tables = (read_table(path).items() for path in texts)
    sentences = chain.from_iterable(map(read_sentences, lines))
    named = ((f"lm-{n:09d}", text) for n, text in enumerate(sentences, 1))
    count = total = 0
    with (
        atomic_open(out / "text") as text_file,
        atomic_open(out / "text_shape.bpe") as shape_file,
    ):
        for key, text in chain(*tables, named):
            if not text:
                continue
            length = len(units(text))
            text_file.write(f"{key} {text}\n")
            shape_file.write(f"{key} {length},{size}\n")
            count, total = count + 1, total + length
        if not count:
            raise InputError(f"{', '.join(map(str, [*texts, *lines]))}: no sentence")
    return f"{out}: {count} sentences, {total} units"


def read_sentences(path: Path | str) -> Iterator[str]:
    """Yield the lines of a text, plain or ``.gz``, without reading all at once.

    Raises:
        InputError: the file is missing, cut short, or not UTF-8.
    """
    open_text = gzip.open if Path(path).suffix == ".gz" else open
    try:
        with open_text(path, "rt", encoding="utf-8", newline="\n") as file:
            for line in file:
                yield " ".join(line.split())
    except FileNotFoundError:
        raise InputError(f"{path} is missing: check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8: convert it") from None
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise InputError(f"{path} is no whole gzip file: fetch it again") from None
