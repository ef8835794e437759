"""XSum: from the published files to text directories, without audio.

Read is either the Hugging Face dataset (``EdinburghNLP/xsum``) in local files,
parquet, arrow or jsonl with ``document``, ``summary`` and ``id``, whose names or
folders say the split; or the raw release: ``bbc-summary-data/<id>.summary`` and
the JSON file that lists the ids of each split.

Articles are written whole. How long they may be is counted in units, which exist
only in stage 5: then :mod:`espnet_mtla.corpora.cut` cuts them.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from espnet_mtla.corpora.report import beside_published, dropped, of_own_size
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_lines, write_table

SPLITS = ("train", "validation", "test")
PUBLISHED = {"train": 204045, "validation": 11332, "test": 11334}
_NAMES = {"train": "train", "validation": "validation|valid|val|dev", "test": "test"}
_SUFFIXES = (".parquet", ".arrow", ".jsonl")
_RAW = "bbc-summary-data"
# What the BBC's pages had around the text, each on a line of its own; left out
# by the Hugging Face dataset too.
_PAGE = {
    "Share this with",
    "Email",
    "Facebook",
    "Messenger",
    "Twitter",
    "Pinterest",
    "WhatsApp",
    "Linkedin",
    "LinkedIn",
    "Copy this link",
    "These are external links and will open in a new window",
}

Row = tuple[str, str, str]  # id, article, summary


def find_files(corpus: Path, split: str) -> list[Path]:
    """The files of one split of the Hugging Face dataset; of one format only."""
    name = re.compile(rf"(?:.*[/_.-])?(?:{_NAMES[split]})(?:[/_.-].*)")
    for suffix in _SUFFIXES:
        found = sorted(
            path
            for path in corpus.rglob(f"*{suffix}")
            if name.fullmatch(path.relative_to(corpus).as_posix())
            and not path.name.startswith("cache-")
        )
        if found:
            return found
    return []


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a parquet, arrow or jsonl file.

    Raises:
        InputError: the file is damaged, or a row has not the three fields.
    """
    rows = _jsonl(path) if path.suffix == ".jsonl" else _arrow(path)
    for number, row in enumerate(rows, 1):
        try:
            fields = tuple(row[key] for key in ("id", "document", "summary"))
        except (KeyError, TypeError):
            fields = (None,)
        if not all(isinstance(field, str) for field in fields):
            raise InputError(
                f"{path} row {number} has not the texts id, document and summary: "
                "fetch the corpus again"
            )
        yield fields


def read_raw(folder: Path, ids: Iterable[str]) -> Iterator[Row]:
    """Yield the articles of the raw release.

    Raises:
        InputError: a file is missing or not of that form.
    """
    for name in ids:
        path = folder / f"{name}.summary"
        lines = [line for line in read_lines(path) if line.strip() not in _PAGE]
        # [SN]URL[SN] .. [SN]TITLE[SN] .. [SN]FIRST-SENTENCE[SN] .. [SN]RESTBODY[SN] ..
        parts = "\n".join(lines).split("[SN]")
        if parts[5::2] != ["FIRST-SENTENCE", "RESTBODY"] or len(parts) != 9:
            raise InputError(
                f"{path} has not the parts URL, TITLE, FIRST-SENTENCE, RESTBODY: "
                "fetch it again"
            )
        yield name, parts[8], parts[6]


def prepare_xsum(
    corpus: Path | str, out: Path | str, splits: tuple[str, ...] = SPLITS
) -> str:
    """Write ``out/<split>/{text,src_text}``: summaries and articles by id.

    Line ends become spaces, nothing else is changed. Rows without an article or
    a summary, or with the id of an earlier one, are left out.

    Args:
        corpus: folder with the files of either release.
        out: gets one folder a split.
        splits: which of ``train``, ``validation``, ``test``.

    Returns:
        Counts beside the published ones, for a person to read.

    Raises:
        InputError: files are missing (nothing is written then) or damaged (a
            split is complete or absent).
    """
    corpus = Path(corpus)
    unknown = [split for split in splits if split not in SPLITS]
    if unknown:
        raise InputError(f"no split {unknown[0]!r}: choose from {', '.join(SPLITS)}")
    if not corpus.is_dir():
        raise InputError(f"{corpus} is missing: give XSum's folder")
    sources = {split: _source(corpus, split) for split in splits}
    published = {} if of_own_size(corpus) else PUBLISHED
    lines = []
    for split, rows in sources.items():
        count, summaries, articles = 0, {}, {}
        reasons: Counter[str] = Counter()
        for name, document, summary in rows:
            count += 1
            article, target = (" ".join(t.split()) for t in (document, summary))
            if len(name.split()) != 1:
                raise InputError(f"{corpus}: {name!r} in {split} cannot be an id")
            if not article or not target:
                reasons["without an article or a summary"] += 1
            elif name in articles:
                reasons["with the id of another one"] += 1
            else:
                articles[name], summaries[name] = article, target
        if not articles:
            raise InputError(f"{corpus} has no usable row of {split}{dropped(reasons)}")
        write_table(Path(out) / split / "src_text", articles)
        write_table(Path(out) / split / "text", summaries)
        line = beside_published(f"{split}: articles", count, published.get(split))
        lines.append(line + dropped(reasons))
    return "\n".join(lines)


def _source(corpus: Path, split: str) -> Iterator[Row]:
    """Find the rows of a split; nothing is read yet but the raw release's ids."""
    if paths := find_files(corpus, split):
        return (row for path in paths for row in read_rows(path))
    folder = corpus if corpus.name == _RAW else corpus / _RAW
    around = (corpus, corpus / "XSum-Dataset", folder.parent)
    lists = [path for place in around for path in sorted(place.glob("*SPLIT*.json"))]
    if not folder.is_dir() or not lists:
        raise InputError(
            f"{corpus} has no {split}*.parquet, .arrow or .jsonl, nor "
            f"{_RAW} with the JSON file of its splits: give XSum's folder"
        )
    try:
        return read_raw(folder, json.loads("\n".join(read_lines(lists[0])))[split])
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{lists[0]} does not list the ids of {split}: fetch it again"
        ) from None


def _jsonl(path: Path) -> Iterator[Mapping]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield json.loads(line)
            except ValueError:
                raise InputError(
                    f"{path} line {number} is not JSON: fetch the corpus again"
                ) from None


def _arrow(path: Path) -> Iterator[Mapping]:
    """Read parquet, or arrow as Hugging Face writes it: a stream."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        if path.suffix == ".parquet":
            for batch in parquet.ParquetFile(path).iter_batches():
                yield from batch.to_pylist()
        else:
            with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
                for batch in stream:
                    yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as e:
        problem = str(e).splitlines()[0]
        raise InputError(f"{path} cannot be read ({problem}): fetch it again") from None
