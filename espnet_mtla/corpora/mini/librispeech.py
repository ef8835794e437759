"""LibriSpeech's layout: a file an utterance, a transcript file a chapter."""

import re
from pathlib import Path

from espnet_mtla.corpora.mini.build import Layout, Recipe
from espnet_mtla.corpora.mini.talks import Talk, plan_talks, record_commands
from espnet_mtla.corpora.parallel import parallel_map
from espnet_mtla.files import atomic_open

# LibriSpeech's part -> the voices of voices.yaml
VOICES = {
    "train-clean-100": "train",
    "dev-clean": "dev",
    "test-clean": "tst-COMMON",
    "test-other": "tst-HE",
}

Plan = dict[str, list[Talk]]


def plan(recipe: Recipe) -> Plan:
    """The speakers of each part; test-other has a quarter of test-clean's size."""
    other = max(1, recipe.num_test // 4)
    numbers = (recipe.num_train, recipe.num_dev, recipe.num_test, other)
    return plan_talks(recipe.seed, dict(zip(VOICES, numbers)), VOICES)


def write(out: Path, talks: Plan, nj: int) -> list[str]:
    """Write the parts, each speaker with one chapter; return one line a part."""
    lines = []
    for part, group in talks.items():
        jobs = []
        for talk in group:
            chapter = f"{talk.number}-{1000 + talk.number}"
            folder = out / part / chapter.replace("-", "/")
            names = [f"{chapter}-{i:04d}" for i in range(len(talk.commands))]
            jobs.append((talk, [folder / f"{name}.flac" for name in names]))
            with atomic_open(folder / f"{chapter}.trans.txt") as file:
                for name, command in zip(names, talk.commands):
                    words = re.findall(r"[\w']+", command.english.upper())
                    file.write(f"{name} {' '.join(words)}\n")
        durations = list(parallel_map(record_commands, jobs, nj))
        hours = sum(map(sum, durations)) / 3600
        count = sum(map(len, durations))
        lines.append(f"{part}: {count} utterances, {len(jobs)} speakers, {hours:.2f} h")
    return lines


LAYOUT = Layout("librispeech", tuple(VOICES), plan, write)
