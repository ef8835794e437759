"""MuST-C's layout: a long recording a speaker, segments, aligned translations."""

from pathlib import Path

from espnet_mtla.corpora.mini.build import Layout, Recipe
from espnet_mtla.corpora.mini.talks import Talk, plan_talks, record_talk
from espnet_mtla.corpora.parallel import parallel_map
from espnet_mtla.files import atomic_open

SPLITS = ("train", "dev", "tst-COMMON", "tst-HE")

Plan = dict[str, list[Talk]]


def sizes(recipe: Recipe) -> dict[str, int]:
    """Utterances in each split; tst-HE has a quarter of tst-COMMON's."""
    he = max(1, recipe.num_test // 4)
    return dict(zip(SPLITS, (recipe.num_train, recipe.num_dev, recipe.num_test, he)))


def plan(recipe: Recipe) -> Plan:
    """The talks of each split."""
    return plan_talks(recipe.seed, sizes(recipe), {split: split for split in SPLITS})


def write(out: Path, talks: Plan, nj: int) -> list[str]:
    """Write ``en-de/data/<split>/{wav,txt}``; return one line a split."""
    lines = []
    for split, group in talks.items():
        folder = out / "en-de" / "data" / split
        jobs = [(talk, folder / "wav" / f"ted_{talk.number}.wav") for talk in group]
        spans = list(parallel_map(record_talk, jobs, nj))
        _write_texts(folder / "txt", split, group, spans)
        hours = sum(duration for talk in spans for _, duration in talk) / 3600
        count = sum(map(len, spans))
        lines.append(f"{split}: {count} utterances, {len(jobs)} talks, {hours:.2f} h")
    return lines


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


LAYOUT = Layout("must_c", ("en-de",), plan, write)
