"""LibriSpeech: from the published layout to Kaldi-style data directories.

A part holds ``<speaker>/<chapter>/<speaker>-<chapter>-NNNN.flac`` and, a
chapter, ``<speaker>-<chapter>.trans.txt``. As in Kaldi's and ESPnet's recipes a
chapter of a reader counts as a speaker, and texts stay upper case.
"""

import logging
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from espnet_mtla.corpora.datadir import write_speakers
from espnet_mtla.corpora.report import beside_published, dropped, of_own_size
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_lines, write_table

# Utterances of each part.
PUBLISHED = {
    "train-clean-100": 28539,
    "train-clean-360": 104014,
    "train-other-500": 148688,
    "dev-clean": 2703,
    "dev-other": 2864,
    "test-clean": 2620,
    "test-other": 2939,
}
PARTS = tuple(PUBLISHED)
# Data directories made of several parts, when all of these are prepared.
COMBINED = {
    "train_960": ("train-clean-100", "train-clean-360", "train-other-500"),
    "dev": ("dev-clean", "dev-other"),
}

logger = logging.getLogger(__name__)


@dataclass
class Part:
    """One data directory, read: rows by utterance, and how many were dropped."""

    wavs: dict[str, Path] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    listed: int = 0  # lines of the transcripts
    dropped: Counter = field(default_factory=Counter)

    def __or__(self, other: "Part") -> "Part":
        return Part(self.wavs | other.wavs, self.texts | other.texts)

    def report(self, name: str, published: int | None) -> str:
        """Count for a person to read, beside the published one."""
        speakers = len({_speaker(utterance) for utterance in self.texts})
        line = beside_published(f"{name}: transcripts", self.listed, published)
        line += f", {len(self.texts)} utterances, {speakers} chapters"
        return line + dropped(self.dropped)

    def write(self, directory: Path) -> None:
        """Write the data directory; a file is complete or absent."""
        write_table(directory / "text", self.texts)
        write_speakers(directory, {u: _speaker(u) for u in self.texts})
        write_table(directory / "wav.scp", self.wavs)


def find_root(corpus: Path | str) -> Path:
    """Return the folder that holds the parts: the given one, or its LibriSpeech.

    Raises:
        InputError: there is no part in either.
    """
    for root in (Path(corpus), Path(corpus) / "LibriSpeech"):
        if any((root / part).is_dir() for part in PARTS):
            return root
    problem = "holds no part, as dev-clean" if Path(corpus).is_dir() else "is missing"
    raise InputError(f"{corpus} {problem}: give the folder LibriSpeech")


def read_part(root: Path, part: str) -> Part:
    """Read one part and pair its transcripts with its audio.

    What lacks its other half is left out, counted, and named in the log.

    Raises:
        InputError: the part is missing or has nothing usable, or a transcript
            is not of its chapter or stands twice.
    """
    if not (root / part).is_dir():
        raise InputError(
            f"{root / part} is missing: fetch this part, or prepare others with --parts "
            "(run.sh: --local_data_opts '--parts ...')"
        )
    result, silent = Part(), []
    unwritten: list[Path] = []
    for chapter in sorted((root / part).glob("*/*/")):
        speaker = f"{chapter.parent.name}-{chapter.name}"
        audio = {path.stem: path for path in chapter.glob("*.flac")}
        path = chapter / f"{speaker}.trans.txt"
        lines = read_lines(path) if audio or path.exists() else []
        for number, line in enumerate(lines, 1):
            utterance, _, text = line.partition(" ")
            if _speaker(utterance) != speaker or utterance in result.texts:
                raise InputError(
                    f"{path} line {number}: {utterance or 'an empty line'} is no "
                    f"utterance of {speaker}, or a second one: fetch the part again"
                )
            result.listed += 1
            if utterance not in audio:
                silent.append(chapter / f"{utterance}.flac")
            elif not text.strip():
                del audio[utterance]
                result.dropped["with an empty text"] += 1
            else:
                result.wavs[utterance] = audio.pop(utterance)
                result.texts[utterance] = " ".join(text.split())
        unwritten += audio.values()
    for paths, problem in ((silent, "audio"), (unwritten, "transcript")):
        if paths:
            result.dropped[f"without {problem}"] = len(paths)
            names = ", ".join(sorted(map(str, paths))[:5])
            logger.warning("%s: no %s for %d: %s", part, problem, len(paths), names)
    if not result.texts:
        raise InputError(f"{root / part} has no utterance{dropped(result.dropped)}")
    return result


def prepare_librispeech(
    corpus: Path | str, out: Path | str, parts: tuple[str, ...] | None = None
) -> str:
    """Write ``out/<part>`` (``train_clean_100``, ...) for each part.

    Where all their parts are there, also ``train_960`` (all training parts) and
    ``dev`` (both).

    Args:
        corpus: the folder LibriSpeech.
        out: gets ``<part>/{wav.scp,text,utt2spk,spk2utt}``.
        parts: of :data:`PARTS`; those that are there when None.

    Returns:
        One line a directory, for a person to read.

    Raises:
        InputError: as :func:`find_root` and :func:`read_part`, or an unknown
            part; nothing is written then.
    """
    root = find_root(corpus)
    all_there = parts is None
    if parts is None:
        parts = tuple(part for part in PARTS if (root / part).is_dir())
    for part in parts:
        if part not in PARTS:
            raise InputError(f"no part {part!r}: choose from {', '.join(PARTS)}")
    read = {part: read_part(root, part) for part in parts}
    known = {} if of_own_size(root) else PUBLISHED
    lines = [read[part].report(part, known.get(part)) for part in parts]
    sets = {part.replace("-", "_"): content for part, content in read.items()}
    for name, members in COMBINED.items():
        if set(members) <= set(parts):
            sets[name] = Part()
            for part in members:
                sets[name] |= read[part]
            lines.append(f"{name}: {len(sets[name].texts)} utterances")
        elif all_there and not of_own_size(root):
            absent = ", ".join(str(root / m) for m in members if m not in parts)
            lines.append(f"{name}: not made, without {absent}")
    for name, content in sets.items():
        content.write(Path(out) / name)
    return "\n".join(lines)


def _speaker(utterance: str) -> str:
    """``84-121123-0000`` -> ``84-121123``."""
    return utterance.rpartition("-")[0]
