"""SLURP: from the published layout to Kaldi-style data directories.

Read are ``dataset/slurp/<split>.jsonl`` (speakers: ``metadata.json``) and
``audio/slurp_real``, for synthetic training data ``train_synthetic.jsonl`` and
``audio/slurp_synth``. An utterance is called ``slurp_<speaker>_<recording>``,
as in ESPnet's recipe.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from espnet_mtla.corpora.datadir import write_speakers
from espnet_mtla.corpora.meaning import Entity, Meaning, read_annotation
from espnet_mtla.corpora.report import beside_published, dropped, of_own_size
from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open, read_lines, write_table

SPLITS = ("train", "devel", "test")
SYNTHETIC = "train_synthetic"
# Recordings that the jsonl files list: of the splits, as the dataset's card at Hugging
# Face has them; of the synthetic data, SLURP's paper (EMNLP 2020), not looked up again.
PUBLISHED = {"train": 50628, "devel": 8690, "test": 13078, SYNTHETIC: 69253}

logger = logging.getLogger(__name__)


@dataclass
class Split:
    """One data directory, read: rows by utterance, and what was left out."""

    wavs: dict[str, Path] = field(default_factory=dict)
    speakers: dict[str, str] = field(default_factory=dict)
    meanings: dict[str, Meaning] = field(default_factory=dict)
    listed: Counter = field(default_factory=Counter)  # recordings by jsonl file
    missing: list[Path] = field(default_factory=list)
    dropped: Counter = field(default_factory=Counter)

    def report(self, published: bool) -> list[str]:
        """Counts of one split for a person to read."""
        speakers = len(set(self.speakers.values()))
        line = f"{len(self.meanings)} utterances, {speakers} speakers"
        counts = [
            beside_published(
                f"{name}: recordings listed", n, PUBLISHED[name] if published else None
            )
            for name, n in self.listed.items()
        ]
        return [line + dropped(self.dropped), *counts]

    def write(self, directory: Path) -> None:
        """Write the data directory; a file is complete or absent."""
        rows = self.meanings.items()
        write_table(directory / "wav.scp", self.wavs)
        write_table(directory / "text", {u: m.target() for u, m in rows})
        with_entities = {u: m.target(entities=True) for u, m in rows}
        write_table(directory / "text.entities", with_entities)
        write_table(directory / "transcript", {u: m.transcript for u, m in rows})
        write_speakers(directory, self.speakers)
        with atomic_open(directory / "missing_audio") as file:
            file.writelines(f"{path}\n" for path in self.missing)


def clean_transcript(sentence: str) -> str:
    """Lower case, without commas and full stops, as in ESPnet's recipe."""
    for written, spoken in (("@", " at "), ("#", " hashtag "), ("<unk>", "unknown")):
        sentence = sentence.replace(written, spoken)
    return " ".join(re.sub(r"[,.]", "", sentence).lower().split())


def read_meaning(record: dict, where: str) -> Meaning:
    """What one entry of a jsonl file means.

    Entities are read as SLURP's evaluation reads them, from ``entities`` and
    ``tokens``; where an entry has not both, from ``sentence_annotation``.

    Raises:
        InputError: something is missing or does not fit; ``where`` names it.
    """
    for key in ("sentence", "scenario", "action"):
        if not isinstance(record.get(key), str):
            raise InputError(f"{where} has no {key}: fetch the corpus again")
    if "entities" in record and "tokens" in record:
        try:
            # A map, not a list: a negative position must not count from the end.
            words = {
                i: token["surface"].lower() for i, token in enumerate(record["tokens"])
            }
            entities = tuple(
                Entity(entity["type"], " ".join(words[i] for i in entity["span"]))
                for entity in record["entities"]
            )
        except (KeyError, TypeError, AttributeError):
            raise InputError(
                f"{where}: entities and tokens do not fit: fetch the corpus again"
            ) from None
    else:
        annotation = record.get("sentence_annotation", "")
        entities = read_annotation(annotation, where)[1]
    return Meaning(
        record["scenario"],
        record["action"],
        clean_transcript(record["sentence"]),
        tuple(entity for entity in entities if entity.filler),
    )


def read_records(path: Path) -> Iterator[tuple[Meaning, list[str]]]:
    """Yield the meaning and the audio files of each entry of a jsonl file.

    Raises:
        InputError: the file is missing, or a line is not an entry of SLURP.
    """
    for number, line in enumerate(read_lines(path), 1):
        where = f"{path} line {number}"
        try:
            record = json.loads(line)
            recordings = [recording["file"] for recording in record["recordings"]]
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{where} is not JSON with recordings: fetch the corpus again"
            ) from None
        yield read_meaning(record, where), recordings


def read_speakers(path: Path) -> dict[str, str]:
    """Read which speaker made which recording; empty without the file.

    Raises:
        InputError: it is not SLURP's metadata.
    """
    if not path.exists():
        logger.warning("%s is missing: all speakers will be called unknown", path)
        return {}
    try:
        return {
            name: recording["usrid"]
            for entry in json.loads("\n".join(read_lines(path))).values()
            for name, recording in entry["recordings"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path} is not SLURP's metadata: fetch it again") from None


def prepare_slurp(
    corpus: Path | str,
    out: Path | str,
    splits: tuple[str, ...] = SPLITS,
    synthetic: bool = False,
) -> str:
    """Write ``out/<split>`` for each split, after reading all.

    A recording that several entries list is kept once: in ``test`` rather than
    ``devel`` rather than ``train``, so that nothing is trained on that is
    tested, and of entries of one split with the first.

    Args:
        corpus: folder with ``dataset/slurp`` and ``audio``.
        out: gets ``<split>/{wav.scp,utt2spk,spk2utt}``; the targets ``text`` and
            ``text.entities`` (see :mod:`espnet_mtla.corpora.meaning`);
            ``transcript``; and ``missing_audio``, the listed recordings that are
            not there.
        splits: which of ``train``, ``devel``, ``test``.
        synthetic: add the synthetic data to ``train``.

    Returns:
        Some lines a split, for a person to read.

    Raises:
        InputError: something is missing or damaged; nothing is written then.
    """
    corpus = Path(corpus)
    dataset, audio = corpus / "dataset" / "slurp", corpus / "audio"
    for folder in (corpus, dataset, audio):
        if not folder.is_dir():
            raise InputError(
                f"{folder} is missing: give SLURP's root, with dataset/slurp and audio"
            )
    unknown = [split for split in splits if split not in SPLITS]
    if unknown:
        raise InputError(f"no split {unknown[0]!r}: choose from {', '.join(SPLITS)}")
    speakers = read_speakers(dataset / "metadata.json")
    read: dict[str, Split] = {}
    claimed: set[str] = set()
    for split in sorted(splits, key=SPLITS.index, reverse=True):
        read[split] = Split()
        _read_file(
            read[split],
            dataset / f"{split}.jsonl",
            audio / "slurp_real",
            claimed,
            speakers,
        )
        if split == "train" and synthetic:
            path = dataset / f"{SYNTHETIC}.jsonl"
            _read_file(read[split], path, audio / "slurp_synth", claimed, None)
    lines = []
    for split in splits:
        read[split].write(Path(out) / split)
        report = read[split].report(not of_own_size(corpus))
        lines += [f"{split}: {report[0]}", *report[1:]]
    return "\n".join(lines)


def _read_file(
    split: Split, path: Path, folder: Path, claimed: set, speakers: dict | None
) -> None:
    """Add the entries of one jsonl file; ``speakers`` is ``None`` for synthetic."""
    missing, before = [], len(split.wavs)
    present = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
    for meaning, recordings in read_records(path):
        for name in recordings:
            split.listed[path.stem] += 1
            if name in claimed:
                split.dropped["with the audio of another entry"] += 1
            elif name not in present:
                split.dropped["without audio"] += 1
                missing.append(folder / name)
            elif not meaning.transcript:
                split.dropped["with an empty text"] += 1
            else:
                claimed.add(name)
                speaker = "synthetic"
                if speakers is not None:
                    speaker = speakers.get(name, "unknown")
                stem = name.rsplit(".", 1)[0].removeprefix("audio-")
                utterance = f"slurp_{speaker}_{stem}"
                split.wavs[utterance] = folder / name
                split.speakers[utterance] = f"slurp_{speaker}"
                split.meanings[utterance] = meaning
    if len(split.wavs) == before:
        alone = ", or do without --synthetic true" if speakers is None else ""
        raise InputError(
            f"{folder} has no recording of {path.stem}: "
            f"run SLURP's scripts/download_audio.sh{alone}"
        )
    if missing:
        logger.warning(
            "%s: %d recordings are not there, as %s: see missing_audio. "
            "Once they are, run.sh --stage 1 reads them.",
            path,
            len(missing),
            missing[0],
        )
        split.missing += missing
