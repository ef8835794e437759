"""SLURP's layout: annotated sentences as jsonl, a recording a file."""

import json
from collections.abc import Iterator
from pathlib import Path

from espnet_mtla.corpora.mini.build import Layout, Recipe
from espnet_mtla.corpora.mini.grammar import Command
from espnet_mtla.corpora.mini.talks import Talk, plan_talks, record_commands
from espnet_mtla.corpora.parallel import parallel_map
from espnet_mtla.files import atomic_open

# SLURP's split -> the voices of voices.yaml
VOICES = {"train": "train", "devel": "dev", "test": "tst-COMMON"}

Plan = dict[str, list[Talk]]


def plan(recipe: Recipe) -> Plan:
    """The speakers of each split."""
    numbers = (recipe.num_train, recipe.num_dev, recipe.num_test)
    return plan_talks(recipe.seed, dict(zip(VOICES, numbers)), VOICES)


def write(out: Path, talks: Plan, nj: int) -> list[str]:
    """Write ``dataset/slurp`` and ``audio/slurp_real``; return one line a split."""
    dataset, audio = out / "dataset" / "slurp", out / "audio" / "slurp_real"
    lines, metadata = [], {}
    for split, group in talks.items():
        jobs = [(talk, [audio / name for name in recordings(talk)]) for talk in group]
        durations = list(parallel_map(record_commands, jobs, nj))
        with atomic_open(dataset / f"{split}.jsonl") as file:
            for talk in group:
                for entry in entries(talk):
                    file.write(json.dumps(entry) + "\n")
                    metadata[str(entry["slurp_id"])] = _metadata(entry, talk)
        hours = sum(map(sum, durations)) / 3600
        count = sum(map(len, durations))
        lines.append(
            f"{split}: {count} utterances, {len(jobs)} speakers, {hours:.2f} h"
        )
    with atomic_open(dataset / "metadata.json") as file:
        json.dump(metadata, file, indent=1)
        file.write("\n")
    return lines


def recordings(talk: Talk) -> list[str]:
    """The names of a speaker's audio files."""
    return [f"audio-{slurp_id}.flac" for slurp_id, _ in _numbered(talk)]


def entries(talk: Talk) -> Iterator[dict]:
    """What a split's jsonl says of a speaker's sentences, each recorded once."""
    for (slurp_id, command), name in zip(_numbered(talk), recordings(talk)):
        words = command.english.lower().rstrip(".?").split()
        spans = [(e.type, _span(command, e.start, e.text)) for e in command.entities]
        annotated = words.copy()
        for kind, span in spans:
            annotated[span[0]] = f"[{kind} : {annotated[span[0]]}"
            annotated[span[-1]] += "]"
        yield {
            "slurp_id": slurp_id,
            "sentence": " ".join(words),
            "sentence_annotation": " ".join(annotated),
            "intent": f"{command.scenario}_{command.action}",
            "action": command.action,
            "tokens": [
                {"surface": word, "id": i, "lemma": word, "pos": "X"}
                for i, word in enumerate(words)
            ],
            "scenario": command.scenario,
            "recordings": [
                {"file": name, "wer": 0.0, "ent_wer": 0.0, "status": "correct"}
            ],
            "entities": [{"span": span, "type": kind} for kind, span in spans],
        }


def _numbered(talk: Talk) -> Iterator[tuple[int, Command]]:
    return enumerate(talk.commands, 1000 * talk.number)


def _span(command: Command, start: int, text: str) -> list[int]:
    """The positions of an entity's words among those of the sentence."""
    first = len(command.english[:start].split())
    return list(range(first, first + len(text.split())))


def _metadata(entry: dict, talk: Talk) -> dict:
    recording = {"ansid": talk.number, "recid": entry["slurp_id"], "status": "correct"}
    recording["usrid"] = f"UNK-{talk.number:03d}"
    return {
        "nlub_id": entry["slurp_id"],
        "recordings": {entry["recordings"][0]["file"]: recording},
        "sentence_normalised": entry["sentence"],
        "sentence_original": entry["sentence"],
        "status": "correct",
    }


LAYOUT = Layout("slurp", ("dataset", "audio"), plan, write)
