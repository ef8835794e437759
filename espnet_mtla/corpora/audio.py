"""Reading, cutting, converting and writing audio files with soundfile."""

import io
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from scipy.signal import resample_poly

from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open


class AudioInfo(NamedTuple):
    """What the header of an audio file says."""

    fs: int
    frames: int
    channels: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / self.fs


def open_audio(path: Path | str) -> soundfile.SoundFile:
    """Open an audio file for reading.

    Raises:
        InputError: the file is missing, unreadable or holds no sample.
    """
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as e:
        if not Path(path).is_file():
            raise InputError(f"{path} is missing: check wav.scp") from None
        raise InputError(
            f"{path} cannot be read as audio ({e.error_string}): convert it to wav or flac"
        ) from None
    if not file.frames:
        file.close()
        raise InputError(f"{path} holds no audio: remove it from the corpus")
    return file


def audio_info(path: Path | str) -> AudioInfo:
    """Read the header of an audio file (errors as :func:`open_audio`)."""
    with open_audio(path) as file:
        return AudioInfo(file.samplerate, file.frames, file.channels)


def read_span(file: soundfile.SoundFile, start: int, frames: int) -> np.ndarray:
    """Read ``frames`` samples from ``start`` on: ``(frames, channels)``.

    16-bit files come as ``int16``, so that copying them is exact; all others
    as ``float64``.

    Raises:
        InputError: the file ends earlier, or is damaged there.
    """
    dtype = "int16" if file.subtype == "PCM_16" else "float64"
    try:
        file.seek(start)
        samples = file.read(frames, dtype=dtype, always_2d=True)
    except soundfile.LibsndfileError as e:
        raise InputError(
            f"{file.name} cannot be read at {start / file.samplerate:.2f} s "
            f"({e.error_string}): fetch it again"
        ) from None
    if len(samples) < frames:
        raise InputError(
            f"{file.name} ends at {(start + len(samples)) / file.samplerate:.2f} s, "
            f"{(start + frames) / file.samplerate:.2f} s were expected: fetch it again"
        )
    return samples


def to_mono(
    samples: np.ndarray, fs: int, target_fs: int, speed: Fraction = Fraction(1)
) -> np.ndarray:
    """Average the channels of ``(frames, channels)`` and resample to ``target_fs``.

    Args:
        samples: ``int16``, or ``float64`` in -1..1.
        fs: their sampling rate, Hz.
        target_fs: the wanted one.
        speed: 1.1 plays them 1.1 times as fast, with the pitch, as sox's ``speed``.

    Returns:
        ``(frames',)``: the same samples when there is nothing to do, else
        ``float64``.
    """
    ratio = Fraction(target_fs, fs) / speed
    if samples.shape[1] == 1 and ratio == 1:
        return samples[:, 0]
    scale = 2.0**15 if samples.dtype == np.int16 else 1.0
    mono = samples.mean(axis=1, dtype=np.float64) / scale
    return resample_poly(mono, *ratio.as_integer_ratio()) if ratio != 1 else mono


def write_audio(path: Path | str, samples: np.ndarray, fs: int) -> None:
    """Write 16-bit audio; the format follows the suffix (``.flac``, ``.wav``).

    ``float64`` samples are clipped to -1..1. The file is encoded in memory
    first: libsndfile cannot tell a full disk from other failures.
    """
    path = Path(path)
    if samples.dtype != np.int16:
        samples = np.rint(np.clip(samples, -1, 1 - 2**-15) * 2**15).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, fs, "PCM_16", format=path.suffix[1:].upper())
    with atomic_open(path, "wb") as file:
        file.write(buffer.getbuffer())
