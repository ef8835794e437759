"""Speaks for :mod:`espnet_mtla.corpora.mini.speech`: one short-lived process a request.

libespeak-ng keeps state (flutter, noise, phase) in static variables that
neither ``espeak_Terminate`` nor unloading the library resets, so what it says
depends on all it said before. Every request is therefore spoken by a fresh
fork of a process that has never spoken. Only the standard library is imported,
so that forking is cheap and safe: there is one thread.

Protocol: one JSON object a line on stdin; on stdout, for each, a 4-byte
little-endian length and that many bytes of 16-bit samples. A negative length
``-n`` is followed by ``n`` bytes of error message instead. The first answer,
before any request, holds the sampling rate as decimal digits, or an error.
"""

import ctypes
import json
import os
import struct
import sys
from typing import NoReturn

import espeakng_loader

_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_UTF8 = 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def _speak(lib: ctypes.CDLL, request: dict) -> bytes:
    chunks = []

    def collect(samples, count, _events):
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(collect)
    lib.espeak_SetSynthCallback(callback)
    # The noise of breathy voices: seeded by the clock unless told otherwise.
    lib.espeak_ng_SetRandSeed(ctypes.c_long(1))
    ctypes.CDLL(None).srand(1)
    if lib.espeak_SetVoiceByName(request["voice"].encode()):
        raise ValueError(f"espeak-ng has no voice {request['voice']!r}")
    lib.espeak_SetParameter(_RATE, request["rate"], 0)
    lib.espeak_SetParameter(_VOLUME, 80, 0)  # louder ones clip with some voices
    lib.espeak_SetParameter(_PITCH, request["pitch"], 0)
    lib.espeak_SetParameter(_RANGE, request["pitch_range"], 0)
    text = request["text"].encode()
    if lib.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None):
        raise ValueError(f"espeak-ng cannot say {request['text']!r}")
    lib.espeak_Synchronize()
    return b"".join(chunks)


def _answer(payload: bytes, error: bool = False) -> None:
    out = sys.stdout.buffer
    out.write(struct.pack("<i", -len(payload) if error else len(payload)) + payload)
    out.flush()


def _serve(lib: ctypes.CDLL, line: bytes) -> NoReturn:
    """Answer one request and end this process: with 1 if there was no answer."""
    status = 1
    try:
        try:
            _answer(_speak(lib, json.loads(line)))
        except ValueError as e:
            _answer(str(e).encode(), error=True)
        status = 0
    finally:
        os._exit(status)


def main() -> None:
    """Answer requests from stdin until it is closed."""
    try:
        lib = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        rate = lib.espeak_Initialize(_SYNCHRONOUS, 0, data, _DONT_EXIT)
    except (OSError, RuntimeError) as e:
        rate = e
    if not isinstance(rate, int) or rate <= 0:
        return _answer(f"libespeak-ng does not start ({rate})".encode(), error=True)
    _answer(str(rate).encode())
    for line in sys.stdin.buffer:
        child = os.fork()
        if child == 0:
            _serve(lib, line)
        _, status = os.waitpid(child, 0)
        if status:
            _answer(f"espeak-ng died (status {status})".encode(), error=True)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(1)  # nobody is left to answer, or to read a traceback
