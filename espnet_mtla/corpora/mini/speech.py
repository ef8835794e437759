"""Synthetic speech: text and a voice in, samples out, the same on every run."""

import json
import struct
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from scipy.signal import resample_poly

from espnet_mtla.errors import InputError


@dataclass(frozen=True)
class Voice:
    """A voice of espeak-ng.

    Args:
        voice: language and variant, such as ``en-us+m3``.
        rate: words a minute.
        pitch: 0 to 99, relative to the variant's own.
        pitch_range: 0 (monotone) to 99.
    """

    voice: str
    rate: int = 170
    pitch: int = 50
    pitch_range: int = 50


class Synthesiser:
    """Speaks with libespeak-ng (use as a context manager).

    What is said depends on the text and the voice alone, never on what was
    said before: see :mod:`espnet_mtla.corpora.mini.espeak_server`.

    Args:
        fs: sampling rate of the output, Hz.

    Raises:
        InputError: espeak-ng cannot be started.
    """

    def __init__(self, fs: int = 16000):
        self.fs = fs
        self._server = subprocess.Popen(
            # -P: the package's folder must not become part of its import path.
            [sys.executable, "-P", Path(__file__).with_name("espeak_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._server.stdin and self._server.stdout  # they are pipes
        self._requests, self._answers = self._server.stdin, self._server.stdout
        self._native_fs = int(self._read())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        with suppress(BrokenPipeError):  # it may have died with a request unread
            self._requests.close()
        self._answers.close()
        self._server.wait()

    def say(self, text: str, voice: Voice) -> np.ndarray:
        """Return the samples of ``text``, float64 in -1..1, without outer silence.

        Raises:
            InputError: espeak-ng does not know the voice or made no sound.
        """
        request = json.dumps({"text": text, **asdict(voice)}) + "\n"
        with suppress(BrokenPipeError):  # it has died: reading its answer says so
            self._requests.write(request.encode())
            self._requests.flush()
        samples = np.frombuffer(self._read(), dtype="<i2").astype(np.float64) / 2**15
        loud = np.flatnonzero(np.abs(samples) > 0.01)
        if not loud.size:
            raise InputError(f"espeak-ng made no sound for {text!r}")
        samples = samples[loud[0] : loud[-1] + 1]
        common = np.gcd(self.fs, self._native_fs)
        return resample_poly(samples, self.fs // common, self._native_fs // common)

    def _read(self) -> bytes:
        head = self._answers.read(4)
        if len(head) < 4:
            raise InputError(
                "espeak-ng stopped: reinstall it with pip install "
                "--force-reinstall espeakng-loader"
            )
        (length,) = struct.unpack("<i", head)
        payload = self._answers.read(abs(length))
        if length < 0:
            raise InputError(payload.decode())
        return payload
