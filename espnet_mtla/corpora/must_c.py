"""MuST-C v1 to v3: from the published layout to Kaldi-style data directories."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from espnet_mtla.corpora.audio import audio_info
from espnet_mtla.corpora.datadir import write_speakers
from espnet_mtla.corpora.report import beside_published, dropped, of_own_size
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_lines, write_table

SPLITS = ("train", "dev", "tst-COMMON", "tst-HE")
PUBLISHED = dict(zip(SPLITS, (229703, 1423, 2641, 600)))
"""Segments of English to German in release 1.0."""
# The published yaml files hold one flow map a line, with plain scalars only.
# Splitting those is 50 times faster than a YAML parser on 230,000 entries.
_SCALAR = r"[^\s,\[\]{}'\"]+"
_ENTRY = re.compile(rf"- \{{(\w+: {_SCALAR}(?:, \w+: {_SCALAR})*)\}}\s*")
# As in ESPnet's recipe, segments shorter than this are widened, not dropped.
_MIN_SECONDS = 0.2
# One may end this much after its recording (s); it is cut there.
_MAX_OVERRUN = 0.1


@dataclass
class Split:
    """One split, read: rows by utterance id, and how many were dropped and why."""

    listed: int = 0
    wavs: dict[str, Path] = field(default_factory=dict)
    # utterance -> (recording, start, end), seconds
    segments: dict[str, tuple[str, float, float]] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    target: dict[str, str] = field(default_factory=dict)
    dropped: Counter = field(default_factory=Counter)

    def report(self, name: str, published: int | None) -> str:
        """Counts, hours and what was dropped, as one line."""
        hours = sum(end - start for _, start, end in self.segments.values()) / 3600
        line = beside_published(f"{name}: segments", self.listed, published)
        line += f", {len(self.segments)} utterances, {len(self.wavs)} talks"
        return f"{line}, {hours:.2f} h{dropped(self.dropped)}"

    def write(self, directory: Path, language: str) -> None:
        """Write the data directory; a file is complete or absent."""
        write_table(directory / "wav.scp", self.wavs)
        rows = {u: f"{r} {a:.6f} {b:.6f}" for u, (r, a, b) in self.segments.items()}
        write_table(directory / "segments", rows)
        write_table(directory / f"text.tc.{language}", self.target)
        write_table(directory / "text.lc.rm.en", self.source)
        write_speakers(directory, {u: r for u, (r, _, _) in self.segments.items()})


def clean_target(text: str) -> str:
    """The true text, cased and punctuated, with single spaces."""
    return " ".join(text.split())


def clean_source(text: str) -> str:
    """Lower case without punctuation, for CTC; apostrophes of words stay."""
    text = re.sub("[\u2018\u2019\u02bc\u0060\u00b4]", "'", text.lower())
    words = re.sub(r"[^\w']|_", " ", text).split()
    return " ".join(word for word in words if word.strip("'"))


def find_data(corpus: Path | str, language: str) -> Path:
    """Return ``en-<language>/data`` of a corpus root.

    Raises:
        InputError: there is no such folder.
    """
    corpus = Path(corpus)
    pair = f"en-{language}"
    if (data := corpus / pair / "data").is_dir():
        return data
    if corpus.name == pair and (data := corpus / "data").is_dir():
        return data
    problem = f"has no {pair}/data" if corpus.is_dir() else "is missing"
    raise InputError(
        f"{corpus} {problem}: give MuST-C's root, as MUSTC_v1.0, with en-{language}"
    )


def read_entries(path: Path) -> Iterator[tuple[int, Mapping]]:
    """Yield line number and key-value map of each entry of a segment file.

    Raises:
        InputError: the file is missing, or not a YAML list of maps.
    """
    lines = read_lines(path)
    matches = [match for line in lines if (match := _ENTRY.fullmatch(line))]
    if len(matches) == len(lines):
        for number, match in enumerate(matches, 1):
            yield number, dict(pair.split(": ", 1) for pair in match[1].split(", "))
        return
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose("\n".join(lines), Loader=loader)
        entries = yaml.load("\n".join(lines), Loader=loader)
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{where} is not YAML: fetch the corpus again") from None
    if not isinstance(root, yaml.SequenceNode):
        raise InputError(f"{path} is not a list of segments: fetch the corpus again")
    for node, entry in zip(root.value, entries):
        number = node.start_mark.line + 1
        if not isinstance(entry, dict):
            raise InputError(
                f"{path} line {number} is not a map: fetch the corpus again"
            )
        yield number, entry


def read_split(data: Path, split: str, language: str) -> Split:
    """Read one split and check it against its audio.

    Args:
        data: the folder :func:`find_data` returns.
        split: such as ``tst-COMMON``.
        language: of the translation, such as ``de``.

    Raises:
        InputError: something is missing, unreadable or misaligned.
    """
    folder = data / split
    if not folder.is_dir():
        raise InputError(
            f"{folder} is missing: fetch this split, or prepare others with --splits "
            "(run.sh: --local_data_opts '--splits ...')"
        )
    yaml_path = folder / "txt" / f"{split}.yaml"
    entries = list(read_entries(yaml_path))
    texts = []
    for suffix in ("en", language):
        path = folder / "txt" / f"{split}.{suffix}"
        texts.append(read_lines(path))
        if len(texts[-1]) != len(entries):
            raise InputError(
                f"{path} has {len(texts[-1])} lines but {yaml_path.name} has "
                f"{len(entries)} entries: fetch the corpus again"
            )
    result, seconds = Split(len(entries)), {}
    for (number, entry), english, translation in zip(entries, *texts):
        where = f"{yaml_path} line {number}"
        wav, start, duration = _entry_fields(entry, where)
        source, target = clean_source(english), clean_target(translation)
        if not source or not target:
            result.dropped["with an empty text"] += 1
            continue
        if not duration > 0 or not start >= 0:
            result.dropped["without duration or before the start"] += 1
            continue
        path = folder / "wav" / wav
        if wav not in seconds:
            if not path.is_file():
                raise InputError(f"{path} is missing ({where}): fetch the corpus again")
            seconds[wav] = audio_info(path).seconds
        end = start + duration
        if start >= seconds[wav] or end > seconds[wav] + _MAX_OVERRUN:
            result.dropped["beyond the end of the audio"] += 1
            continue
        widen = max(0.0, _MIN_SECONDS - duration) / 2
        start, end = max(0.0, start - widen), min(seconds[wav], end + widen)
        talk = _talk_id(wav)
        if result.wavs.get(talk, path) != path:
            raise InputError(f"{where}: {wav} and {result.wavs[talk].name} share an id")
        utterance = f"{talk}_{round(1000 * start):07d}_{round(1000 * end):07d}"
        if utterance in result.segments:
            result.dropped["with the times of another one"] += 1
        else:
            result.wavs[talk] = path
            result.segments[utterance] = talk, start, end
            result.source[utterance], result.target[utterance] = source, target
    if not result.segments:
        raise InputError(f"{folder} has no usable segment{dropped(result.dropped)}")
    return result


def prepare_must_c(
    corpus: Path | str, language: str, out: Path | str, splits: tuple[str, ...] = SPLITS
) -> str:
    """Write ``out/<split>.en-<language>`` for each split, after reading all.

    Returns:
        One line a split, for a person to read.

    Raises:
        InputError: as :func:`find_data` and :func:`read_split`; nothing is
            written then.
    """
    data = find_data(corpus, language)
    read = {split: read_split(data, split, language) for split in splits}
    for split, content in read.items():
        content.write(Path(out) / f"{split}.en-{language}", language)
    root = data.resolve().parents[1]
    first = language == "de" and "v1" in root.name and not of_own_size(root)
    known = PUBLISHED if first else {}
    return "\n".join(c.report(split, known.get(split)) for split, c in read.items())


def _entry_fields(entry: Mapping, where: str) -> tuple[str, float, float]:
    for key in ("wav", "offset", "duration"):
        if entry.get(key) is None:
            raise InputError(f"{where} has no {key}: fetch the corpus again")
        if key != "wav":
            try:
                float(entry[key])
            except (TypeError, ValueError):
                raise InputError(
                    f"{where}: {key} {entry[key]!r} is not a number"
                ) from None
    return str(entry["wav"]), float(entry["offset"]), float(entry["duration"])


def _talk_id(wav: str) -> str:
    """``ted_7.wav`` -> ``ted_00007``, ESPnet's id of the recording and speaker."""
    stem = re.sub(r"\s", "_", wav.rsplit(".", 1)[0])
    return re.sub(r"\d+$", lambda m: m[0].zfill(5), stem)
