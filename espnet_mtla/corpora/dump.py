"""From data directories to ``dump/raw``: one audio file an utterance."""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from espnet_mtla.corpora.audio import (
    open_audio,
    read_span,
    to_mono,
    write_audio,
)
from espnet_mtla.corpora.datadir import copy_rows, text_files, write_speakers
from espnet_mtla.corpora.parallel import parallel_map
from espnet_mtla.corpora.perturb import read_speeds
from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open, read_table, two_folders, write_table

# A segment may end this much after its recording (s); it is cut there.
_MAX_OVERRUN = 0.1


class Span(NamedTuple):
    """Where an utterance lies in its recording, s; ``None``: to the end."""

    utterance: str
    start: float = 0.0
    end: float | None = None
    speed: Fraction = Fraction(1)


class _Job(NamedTuple):
    """A recording and its utterances, in the order they lie in it."""

    path: Path
    spans: list[Span]
    folder: Path
    fs: int
    audio_format: str


def format_wav_scp(
    data: Path | str,
    out: Path | str,
    fs: int = 16000,
    audio_format: str = "flac",
    nj: int = 1,
) -> str:
    """Cut a data directory's utterances into files of their own.

    Reads ``wav.scp`` and, if there, ``segments`` and ``utt2speed`` (see
    :mod:`espnet_mtla.corpora.perturb`); writes mono 16-bit files
    ``out/data/<utterance>.<audio_format>`` at ``fs`` Hz, ``wav.scp``,
    ``utt2num_samples``, and copies ``text*``, ``utt2spk``, ``spk2utt``.

    Returns:
        Counts, and once whatever was converted, for a person to read.

    Raises:
        InputError: a table or an audio file is missing, bad or misaligned.
    """
    data, out = two_folders(data, out)
    recordings = read_table(data / "wav.scp")
    spans = _read_spans(data, recordings)
    utterances = sorted(span.utterance for group in spans.values() for span in group)
    if not utterances:
        raise InputError(f"{data} has no utterance: prepare the data again")
    copy_texts(data, out, utterances)  # first: it finds gaps before the long work
    folder = out / "data"
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        _Job(Path(recordings[key]), group, folder, fs, audio_format)
        for key, group in spans.items()
    ]
    samples: dict[str, int] = {}
    notes: Counter = Counter()
    for lengths, note in parallel_map(_cut, jobs, nj):
        samples.update(lengths)
        notes.update(note)
    paths = {u: folder / f"{u}.{audio_format}" for u in utterances}
    known = {path.name for path in paths.values()}
    # What an earlier run, with other data or killed, has left.
    for path in folder.iterdir():
        if path.suffix in (".flac", ".wav", ".tmp") and path.name not in known:
            path.unlink()
    write_audio_tables(out, paths, samples, audio_format)
    hours = sum(samples.values()) / fs / 3600
    lines = [f"{out}: {len(paths)} utterances, {hours:.2f} h"]
    lines += [f"{out}: {count} recordings {note}" for note, count in notes.items()]
    return "\n".join(lines)


def _read_spans(data: Path, recordings: dict[str, str]) -> dict[str, list[Span]]:
    """Group the utterances by recording, by offset."""
    speeds = read_speeds(data)
    path = data / "segments"
    for key, value in recordings.items():
        if not value or value.endswith("|"):
            raise InputError(
                f"{data}/wav.scp: {key} is not a path to an audio file: "
                "write the audio to files first"
            )
    if not path.exists():
        _check_name(data / "wav.scp", recordings)
        return {key: [Span(key, speed=speeds[key])] for key in recordings}
    groups: dict[str, list[Span]] = {}
    for utterance, value in read_table(path).items():
        try:
            recording, *times = value.split()
            start, end = map(float, times)
        except ValueError:
            raise InputError(
                f"{path}: {utterance} needs a recording, a start and an end: "
                "prepare the data again"
            ) from None
        if recording not in recordings:
            raise InputError(f"{path}: {utterance} lies in {recording}, not in wav.scp")
        if not 0 <= start < end:
            raise InputError(f"{path}: {utterance} ends before it starts, or is empty")
        span = Span(utterance, start, end, speeds[utterance])
        groups.setdefault(recording, []).append(span)
    _check_name(path, [span.utterance for group in groups.values() for span in group])
    for group in groups.values():
        group.sort(key=lambda span: span.start)
    return groups


def _check_name(path: Path, utterances: Iterable[str]) -> None:
    for utterance in utterances:
        if "/" in utterance:
            raise InputError(f"{path}: {utterance} cannot name a file: remove the /")


def _cut(job: _Job) -> tuple[dict[str, int], list[str]]:
    """Write the utterances of one recording; return their samples, and notes."""
    lengths, notes = {}, []
    with open_audio(job.path) as file:
        fs = file.samplerate
        if fs != job.fs:
            notes.append(f"resampled from {fs} to {job.fs} Hz")
        if file.channels > 1:
            notes.append(f"averaged from {file.channels} channels to one")
        for utterance, start, end, speed in job.spans:
            first = round(start * fs)
            last = file.frames if end is None else round(end * fs)
            if last > file.frames + _MAX_OVERRUN * fs or first >= file.frames:
                raise InputError(
                    f"{utterance} ends at {last / fs:.2f} s but {job.path} at "
                    f"{file.frames / fs:.2f} s: prepare the data again"
                )
            last = min(last, file.frames)
            if last <= first:
                raise InputError(f"{utterance} holds no sample: prepare the data again")
            samples = read_span(file, first, last - first)
            samples = to_mono(samples, fs, job.fs, speed)
            path = job.folder / f"{utterance}.{job.audio_format}"
            write_audio(path, samples, job.fs)
            lengths[utterance] = len(samples)
    return lengths, notes


def copy_texts(data: Path, out: Path, utterances: list[str]) -> None:
    """Copy the lines of ``utterances`` from ``text*``, ``utt2spk``, ``spk2utt``.

    Raises:
        InputError: a table has no line for one of them.
    """
    for path in text_files(data):
        copy_rows(path, out / path.name, utterances)
    speakers = read_table(data / "utt2spk")
    for utterance in utterances:
        if utterance not in speakers:
            raise InputError(f"{data}/utt2spk has no line for {utterance}")
    write_speakers(out, {u: speakers[u] for u in utterances})


def write_audio_tables(out: Path, paths: dict, samples: dict, suffix: str) -> None:
    """Write ``utt2num_samples``, ``feats_type``, ``audio_format``, ``wav.scp``."""
    write_table(out / "utt2num_samples", samples)
    for name, value in (("feats_type", "raw"), ("audio_format", suffix)):
        with atomic_open(out / name) as file:
            file.write(f"{value}\n")
    # Last: whoever finds wav.scp finds the rest.
    write_table(out / "wav.scp", paths)
