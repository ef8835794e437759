"""Who says what, and the recordings of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np
import yaml

from espnet_mtla.corpora.audio import write_audio
from espnet_mtla.corpora.mini.grammar import Command, Grammar
from espnet_mtla.corpora.mini.speech import Synthesiser, Voice

FS = 16000
# Lengths are multiples of 10 ms, so that two decimals say them exactly.
_GRID = FS // 100
_MARGIN = 5 * _GRID  # silence before and after each command


@dataclass(frozen=True)
class Talk:
    """One speaker: a voice, what it says, and the seed of its acoustics."""

    number: int
    voice: Voice
    commands: tuple[Command, ...]
    seed: tuple[int, ...]


def plan_talks(
    seed: int, sizes: Mapping[str, int], voices: Mapping[str, str]
) -> dict[str, list[Talk]]:
    """Decide which voice says what; sentences and voices are disjoint by split.

    Args:
        seed: decides everything.
        sizes: commands in each split.
        voices: for each split, its group of ``voices.yaml``.
    """
    path = files(__package__) / "voices.yaml"
    known = yaml.safe_load(path.read_text(encoding="utf-8"))
    rng = np.random.default_rng([seed])
    commands = list(Grammar.load().distinct(sum(sizes.values()), rng))
    # Small template sets run dry early; shuffle so that all splits get some.
    rng.shuffle(commands)
    remaining = iter(commands)
    talks: dict[str, list[Talk]] = {}
    number = 0
    for split, size in sizes.items():
        variants = [v for group in known["variants"][voices[split]] for v in group]
        rng.shuffle(variants)
        talks[split] = []
        while size:
            count = min(size, int(rng.integers(20, 41)))
            size -= count
            number += 1
            variant = variants[len(talks[split]) % len(variants)]
            accent = known["accents"][rng.integers(len(known["accents"]))]
            drawn = {
                key: int(rng.integers(low, high + 1))
                for key in ("rate", "pitch", "pitch_range")
                for low, high in [known[key]]
            }
            voice = Voice(f"{accent}+{variant}", **drawn)
            spoken = tuple(islice(remaining, count))
            talks[split].append(Talk(number, voice, spoken, (seed, number)))
    return talks


def record_talk(job: tuple[Talk, Path]) -> list[tuple[float, float]]:
    """Speak a talk into one file; return offset and duration of each command, s.

    Commands are separated by pauses of 0.2 to 0.6 s.
    """
    talk, path = job
    rng = np.random.default_rng(talk.seed)
    spans, pieces, position = [], [], 0
    with Synthesiser(FS) as synthesiser:
        for command in talk.commands:
            pause = _GRID * int(rng.integers(20, 61))
            spoken = _speak(synthesiser, command, talk.voice)
            pieces += [np.zeros(pause), spoken]
            spans.append(((position + pause) / FS, len(spoken) / FS))
            position += pause + len(spoken)
    pieces.append(np.zeros(_GRID * 30))
    write_audio(path, _in_a_room(np.concatenate(pieces), rng), FS)
    return spans


def record_commands(job: tuple[Talk, Iterable[Path]]) -> list[float]:
    """Speak each command of a talk into a file of its own; return durations, s."""
    talk, paths = job
    rng = np.random.default_rng(talk.seed)
    durations = []
    with Synthesiser(FS) as synthesiser:
        for command, path in zip(talk.commands, paths, strict=True):
            spoken = _speak(synthesiser, command, talk.voice)
            write_audio(path, _in_a_room(spoken, rng), FS)
            durations.append(len(spoken) / FS)
    return durations


def _speak(synthesiser: Synthesiser, command: Command, voice: Voice) -> np.ndarray:
    speech = synthesiser.say(command.english, voice)
    return np.pad(speech, (_MARGIN, _MARGIN + (-len(speech)) % _GRID))


def _in_a_room(signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Set a level, and lay a faint noise (20 to 40 dB below) under the whole."""
    signal = signal * 10 ** (rng.uniform(-30, -22) / 20) / np.sqrt(np.mean(signal**2))
    noise = rng.standard_normal(len(signal))
    # Half white, half low: the sum of neighbours damps the upper band.
    noise[1:] += rng.uniform(0, 1) * noise[:-1]
    noise *= np.sqrt(np.mean(signal**2) / np.mean(noise**2))
    return signal + noise * 10 ** (-rng.uniform(20, 40) / 20)
