"""A small corpus in MuST-C's on-disk layout, made from a grammar and a seed."""

import json
import shutil
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np
import yaml

from espnet_mtla.corpora.audio import write_audio
from espnet_mtla.corpora.datadir import atomic_open
from espnet_mtla.corpora.grammar import Command, Grammar
from espnet_mtla.corpora.parallel import parallel_map
from espnet_mtla.corpora.speech import Synthesiser, Voice
from espnet_mtla.errors import InputError

FS = 16000
MARKER = "mini.json"
SPLITS = ("train", "dev", "tst-COMMON", "tst-HE")
# Times in the yaml have two decimals: all lengths are multiples of 10 ms.
_GRID = FS // 100


@dataclass(frozen=True)
class Talk:
    """One recording: a voice, what it says, and the seed of its acoustics."""

    number: int
    voice: Voice
    commands: tuple[Command, ...]
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Recipe:
    """What decides every byte of a corpus. ``version`` counts its makers."""

    num_train: int = 4000
    num_dev: int = 150
    num_test: int = 200
    seed: int = 1
    version: int = 1

    def sizes(self) -> dict[str, int]:
        """Utterances in each split."""
        he = max(1, self.num_test // 4)
        return dict(zip(SPLITS, (self.num_train, self.num_dev, self.num_test, he)))


def plan(recipe: Recipe) -> dict[str, list[Talk]]:
    """Decide which voice says what; sentences and voices are disjoint by split."""
    path = files(__package__) / "voices.yaml"
    voices = yaml.safe_load(path.read_text(encoding="utf-8"))
    rng = np.random.default_rng([recipe.seed])
    sizes = recipe.sizes()
    commands = list(Grammar.load().distinct(sum(sizes.values()), rng))
    # Small template sets run dry early; shuffle so that all splits get some.
    rng.shuffle(commands)
    remaining = iter(commands)
    talks: dict[str, list[Talk]] = {}
    number = 0
    for split, size in sizes.items():
        variants = [v for group in voices["variants"][split] for v in group]
        rng.shuffle(variants)
        talks[split] = []
        while size:
            count = min(size, int(rng.integers(20, 41)))
            size -= count
            number += 1
            variant = variants[len(talks[split]) % len(variants)]
            accent = voices["accents"][rng.integers(len(voices["accents"]))]
            drawn = {
                key: int(rng.integers(low, high + 1))
                for key in ("rate", "pitch", "pitch_range")
                for low, high in [voices[key]]
            }
            voice = Voice(f"{accent}+{variant}", **drawn)
            spoken = tuple(islice(remaining, count))
            talks[split].append(Talk(number, voice, spoken, (recipe.seed, number)))
    return talks


def record(job: tuple[Talk, Path]) -> list[tuple[float, float]]:
    """Speak a talk into a wav file; return offset and duration of each command, s.

    Commands are separated by pauses of 0.2 to 0.6 s; a faint noise (20 to
    40 dB below the speech) lies under the whole recording.
    """
    talk, path = job
    rng = np.random.default_rng(talk.seed)
    spans, pieces, position = [], [], 0
    with Synthesiser(FS) as synthesiser:
        for command in talk.commands:
            pause = _GRID * int(rng.integers(20, 61))
            speech = synthesiser.say(command.english, talk.voice)
            margin = 5 * _GRID  # silence inside the segment, before and after
            length = 2 * margin + len(speech) + (-len(speech)) % _GRID
            piece = np.zeros(pause + length)
            piece[pause + margin :][: len(speech)] = speech
            pieces.append(piece)
            spans.append(((position + pause) / FS, length / FS))
            position += len(piece)
    pieces.append(np.zeros(_GRID * 30))
    signal = np.concatenate(pieces)
    signal *= 10 ** (rng.uniform(-30, -22) / 20) / np.sqrt(np.mean(signal**2))
    noise = rng.standard_normal(len(signal))
    # Half white, half low: the sum of neighbours damps the upper band.
    noise[1:] += rng.uniform(0, 1) * noise[:-1]
    noise *= np.sqrt(np.mean(signal**2) / np.mean(noise**2))
    signal += noise * 10 ** (-rng.uniform(20, 40) / 20)
    write_audio(path, signal, FS)
    return spans


def make_mini(out: Path | str, recipe: Recipe, nj: int = 1) -> str:
    """Make the corpus under ``out``, or find it there already.

    Args:
        out: the corpus root; ``en-de/data/<split>/{wav,txt}`` is made below.
        recipe: sizes and seed.
        nj: processes; they do not change the result.

    Returns:
        What was done, one line a split, for a person to read.

    Raises:
        InputError: a size is below 1, or ``out`` holds another corpus.
    """
    out = Path(out)
    for name in ("num_train", "num_dev", "num_test"):
        if getattr(recipe, name) < 1:
            raise InputError(f"--{name} {getattr(recipe, name)}: must be at least 1")
    if recipe.seed < 0:
        raise InputError(f"--seed {recipe.seed}: must not be negative")
    marker, data = out / MARKER, out / "en-de" / "data"
    state = _read_marker(marker)
    done = state.get("complete") and state["recipe"] == vars(recipe)
    if done and state.get("files") == _count(data):
        return f"{out}: complete already, left as it is\n{state['summary']}"
    if not marker.exists() and data.parent.exists():
        raise InputError(f"--out {out} holds another corpus: choose another folder")
    talks = plan(recipe)
    # Claimed before the first file: a rerun may then delete what it finds.
    _write_marker(marker, {"complete": False, "recipe": vars(recipe)})
    if data.exists():
        shutil.rmtree(data)
    lines = []
    for split in SPLITS:
        wav = data / split / "wav"
        jobs = [(talk, wav / f"ted_{talk.number}.wav") for talk in talks[split]]
        spans = list(parallel_map(record, jobs, nj))
        _write_texts(data / split / "txt", split, talks[split], spans)
        hours = sum(duration for talk in spans for _, duration in talk) / 3600
        count = sum(map(len, spans))
        lines.append(f"{split}: {count} utterances, {len(jobs)} talks, {hours:.2f} h")
    state = {"complete": True, "recipe": vars(recipe), "files": _count(data)}
    state["summary"] = "\n".join(lines)
    _write_marker(marker, state)
    return state["summary"]


def _write_texts(txt: Path, split: str, talks: list[Talk], spans: list) -> None:
    with (
        atomic_open(txt / f"{split}.yaml") as segments,
        atomic_open(txt / f"{split}.en") as english,
        atomic_open(txt / f"{split}.de") as german,
    ):
        for talk, times in zip(talks, spans):
            for command, (offset, duration) in zip(talk.commands, times):
                segments.write(
                    f"- {{duration: {duration:.6f}, offset: {offset:.6f}, "
                    f"rW: {len(command.english.split())}, uW: 0, "
                    f"speaker_id: spk.{talk.number}, wav: ted_{talk.number}.wav}}\n"
                )
                english.write(command.english + "\n")
                german.write(command.german + "\n")


def _count(data: Path) -> int:
    return sum(path.is_file() for path in data.rglob("*"))


def _read_marker(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def _write_marker(path: Path, state: dict) -> None:
    with atomic_open(path) as file:
        json.dump(state, file, indent=1)
        file.write("\n")
