"""AMI, headset microphones (IHM): from the XML annotations to data directories.

Read are, of the manual annotations (release 1.6.2), ``corpusResources/meetings.xml``
(who wears which headset), ``segments/<meeting>.<agent>.segments.xml`` and
``words/<meeting>.<agent>.words.xml``, and
``amicorpus/<meeting>/audio/<meeting>.Headset-<channel>.wav``. An utterance is a
segment as annotated; Kaldi's recipe splits long ones at punctuation.
"""

import logging
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from espnet_mtla.corpora.ami_split import meetings_of
from espnet_mtla.corpora.audio import audio_info
from espnet_mtla.corpora.datadir import write_speakers
from espnet_mtla.corpora.report import beside_published, dropped, of_own_size
from espnet_mtla.errors import InputError
from espnet_mtla.files import write_table

ANNOTATIONS = (".", "annotations", "ami_public_manual_1.6.2")
AUDIO = ("amicorpus", ".", "wav_db")
_ID = "{http://nite.sourceforge.net/}id"
_HREF = re.compile(r".*#id\(([^)]+)\)(?:\.\.id\(([^)]+)\))?")
# A segment may end this much after its recording (s); it is cut there.
_MAX_OVERRUN = 0.5
# Backchannels that the transcripts hyphenate; their parts are no words.
_JOINED = {"MM HMM": "MM-HMM", "UH HUH": "UH-HUH", "O K": "OK"}

logger = logging.getLogger(__name__)


@dataclass
class Split:
    """One data directory, read: rows by utterance, and how many were dropped."""

    wavs: dict[str, Path] = field(default_factory=dict)
    # utterance -> (recording, start, end), seconds
    segments: dict[str, tuple[str, float, float]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    speakers: dict[str, str] = field(default_factory=dict)
    meetings: set = field(default_factory=set)
    dropped: Counter = field(default_factory=Counter)

    def report(self, name: str, published: int | None) -> str:
        """Count for a person to read, meetings beside the published ones."""
        hours = sum(end - start for _, start, end in self.segments.values()) / 3600
        line = beside_published(f"{name}: meetings", len(self.meetings), published)
        line += f", {len(self.segments)} utterances, {hours:.2f} h"
        return line + dropped(self.dropped)

    def write(self, directory: Path) -> None:
        """Write the data directory; a file is complete or absent."""
        rows = {u: f"{r} {a:.2f} {b:.2f}" for u, (r, a, b) in self.segments.items()}
        write_table(directory / "segments", rows)
        write_table(directory / "text", self.texts)
        write_speakers(directory, self.speakers)
        write_table(directory / "wav.scp", self.wavs)


def clean_text(text: str) -> str:
    """Upper case without punctuation; acronyms spelt (``T_V_`` is ``T V``)."""
    text = " ".join(re.sub(r"[^A-Z0-9']", " ", text.upper()).split())
    for apart, joined in _JOINED.items():
        text = re.sub(rf"(?<!\S){apart}(?!\S)", joined, text)
    return " ".join(word for word in text.split() if word.strip("'"))


def read_xml(path: Path) -> ElementTree.Element:
    """Return the root of an XML file.

    Raises:
        InputError: it is missing, or not XML.
    """
    try:
        return ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise InputError(f"{path} is missing: fetch the annotations again") from None
    except ElementTree.ParseError as e:
        raise InputError(
            f"{path}: not XML ({e}): fetch the annotations again"
        ) from None


def read_headsets(annotations: Path) -> dict[str, dict[str, tuple[int, str]]]:
    """Meeting -> agent (``A``, ...) -> headset channel and global speaker name."""
    path = annotations / "corpusResources" / "meetings.xml"
    headsets: dict[str, dict[str, tuple[int, str]]] = {}
    for meeting in read_xml(path).iter("meeting"):
        name = meeting.get("observation", "without a name")
        try:
            headsets[meeting.attrib["observation"]] = {
                speaker.attrib["nxt_agent"]: (
                    int(speaker.attrib["channel"]),
                    speaker.attrib["global_name"],
                )
                for speaker in meeting.iter("speaker")
            }
        except (KeyError, ValueError) as e:
            raise InputError(
                f"{path}: meeting {name}, or a speaker of it: {e}: "
                "fetch the annotations again"
            ) from None
    return headsets


def read_segments(annotations: Path, name: str) -> Iterator[tuple[float, float, str]]:
    """Yield start, end (s) and text of each segment of ``<meeting>.<agent>``.

    The text may be empty: laughter, punctuation and gaps are no words.

    Raises:
        InputError: a file is missing or damaged, or refers to no word.
    """
    words_path = annotations / "words" / f"{name}.words.xml"
    elements = list(read_xml(words_path))
    order = {element.get(_ID): i for i, element in enumerate(elements)}
    path = annotations / "segments" / f"{name}.segments.xml"
    for segment in read_xml(path).iter("segment"):
        where = f"{path}: segment {segment.get(_ID)}"
        try:
            start = float(segment.attrib["transcriber_start"])
            end = float(segment.attrib["transcriber_end"])
            spoken = []
            for child in segment:
                href = _HREF.fullmatch(child.attrib["href"])
                if not href:
                    raise ValueError
                first, last = href.groups()
                spoken += elements[order[first] : order[last or first] + 1]
        except (KeyError, ValueError):
            raise InputError(
                f"{where} has no times, or words that {words_path.name} lacks: "
                "fetch the annotations again"
            ) from None
        words = [w.text or "" for w in spoken if w.tag == "w" and not w.get("punc")]
        yield start, end, clean_text(" ".join(words))


def read_split(annotations: Path, audio: Path, meetings: list[str]) -> Split:
    """Read the segments of some meetings and check them against their audio.

    Raises:
        InputError: an annotation or an audio file is damaged.
    """
    headsets, split, silent = read_headsets(annotations), Split(), []
    for meeting in meetings:
        for agent, (channel, speaker) in sorted(headsets.get(meeting, {}).items()):
            if not (
                annotations / "segments" / f"{meeting}.{agent}.segments.xml"
            ).exists():
                continue  # one who said nothing
            segments = list(read_segments(annotations, f"{meeting}.{agent}"))
            wav = audio / meeting / "audio" / f"{meeting}.Headset-{channel}.wav"
            if not wav.is_file():
                split.dropped["without audio"] += len(segments)
                silent.append(wav)
                continue
            recording = f"AMI_{meeting}_H{channel:02d}"
            split.meetings.add(meeting)
            split.wavs[recording] = wav
            _add(split, recording, f"{recording}_{speaker}", segments)
    if silent:
        names = ", ".join(map(str, silent[:5]))
        logger.warning("%d headset recordings are missing: %s", len(silent), names)
    return split


def _add(split: Split, recording: str, speaker: str, segments: list) -> None:
    seconds = math.floor(100 * audio_info(split.wavs[recording]).seconds) / 100
    for start, end, text in segments:
        start, end = round(start, 2), round(end, 2)  # as they are written
        name = f"{speaker}_{round(100 * start):07d}_{round(100 * end):07d}"
        if not text:
            split.dropped["without a word"] += 1
        elif not 0 <= start < end:
            split.dropped["without duration"] += 1
        elif start >= seconds or end > seconds + _MAX_OVERRUN:
            split.dropped["beyond the end of the audio"] += 1
        elif name in split.segments:
            split.dropped["with the times of another one"] += 1
        else:
            split.segments[name] = recording, start, min(end, seconds)
            split.texts[name] = text
            split.speakers[name] = speaker


def prepare_ami(corpus: Path | str, out: Path | str, splits: tuple[str, ...]) -> str:
    """Write ``out/<split>/{wav.scp,segments,text,utt2spk,spk2utt}``.

    Args:
        corpus: holds the annotations (itself, or in ``annotations`` or
            ``ami_public_manual_1.6.2``) and the audio (``amicorpus``).
        out: where the data directories go.
        splits: of ``ihm_train``, ``ihm_dev``, ``ihm_eval``.

    Returns:
        One line a split, for a person to read.

    Raises:
        InputError: something is missing or damaged; nothing is written then.
    """
    corpus = Path(corpus)
    annotations = _find(corpus, ANNOTATIONS, "corpusResources/meetings.xml")
    audio = _find(corpus, AUDIO, "*/audio")
    read, lines = {}, []
    for name in splits:
        meetings = meetings_of(name)
        read[name] = read_split(annotations, audio, meetings)
        if not read[name].segments:
            raise InputError(
                f"{corpus} has no usable segment of {name}"
                f"{dropped(read[name].dropped)}: fetch its audio"
            )
        lines.append(
            read[name].report(name, None if of_own_size(corpus) else len(meetings))
        )
    for name, content in read.items():
        content.write(Path(out) / name)
    return "\n".join(lines)


def _find(corpus: Path, folders: tuple[str, ...], pattern: str) -> Path:
    for folder in folders:
        if any((corpus / folder).glob(pattern)):
            return corpus / folder
    problem = f"holds no {pattern}" if corpus.is_dir() else "is missing"
    raise InputError(
        f"{corpus} {problem}: give the folder with AMI's manual annotations "
        "and amicorpus/<meeting>/audio"
    )
