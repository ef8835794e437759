"""AMI's layout: a headset recording a speaker, words and segments as XML."""

from itertools import batched
from pathlib import Path
from xml.etree import ElementTree

from espnet_mtla.corpora.ami_split import meetings_of
from espnet_mtla.corpora.mini.build import Layout, Recipe
from espnet_mtla.corpora.mini.talks import Talk, plan_talks, record_talk
from espnet_mtla.corpora.parallel import parallel_map
from espnet_mtla.files import atomic_open

# Data directory -> the voices of voices.yaml
VOICES = {"ihm_train": "train", "ihm_dev": "dev", "ihm_eval": "tst-COMMON"}
_NITE = "http://nite.sourceforge.net/"
_ID = f"{{{_NITE}}}id"
_SPEAKERS = 4  # in a meeting, or more where the meetings do not suffice

Plan = dict[str, list[Talk]]


def plan(recipe: Recipe) -> Plan:
    """The speakers of each split."""
    numbers = (recipe.num_train, recipe.num_dev, recipe.num_test)
    return plan_talks(recipe.seed, dict(zip(VOICES, numbers)), VOICES)


def write(out: Path, talks: Plan, nj: int) -> list[str]:
    """Write the annotations and ``amicorpus``; return one line a split.

    The speakers of a meeting all begin at once, as on channels of their own.
    """
    ElementTree.register_namespace("nite", _NITE)
    folder, lines = out / "annotations", []
    resources = ElementTree.Element(f"{{{_NITE}}}root")
    for split, group in talks.items():
        names = meetings_of(split)
        size = max(_SPEAKERS, -(-len(group) // len(names)))
        cast = [
            (name, channel, talk)
            for name, speakers in zip(names, batched(group, size))
            for channel, talk in enumerate(speakers)
        ]
        jobs = [
            (talk, out / f"amicorpus/{name}/audio/{name}.Headset-{channel}.wav")
            for name, channel, talk in cast
        ]
        spans = list(parallel_map(record_talk, jobs, nj))
        for (name, channel, talk), times in zip(cast, spans):
            if channel == 0:
                meeting = ElementTree.SubElement(resources, "meeting", observation=name)
            agent = chr(ord("A") + channel)
            who = {"channel": str(channel), "nxt_agent": agent}
            who["global_name"] = f"SPK{talk.number:03d}"
            ElementTree.SubElement(meeting, "speaker", who)
            words, segments = annotate(f"{name}.{agent}", talk, times)
            _write(folder / f"words/{name}.{agent}.words.xml", words)
            _write(folder / f"segments/{name}.{agent}.segments.xml", segments)
        hours = sum(duration for talk in spans for _, duration in talk) / 3600
        count = sum(map(len, spans))
        lines.append(
            f"{split}: {count} utterances, {len(cast)} speakers, {hours:.2f} h"
        )
    _write(folder / "corpusResources/meetings.xml", resources)
    return lines


def annotate(
    name: str, talk: Talk, times: list[tuple[float, float]]
) -> tuple[ElementTree.Element, ElementTree.Element]:
    """The words and the segments of ``<meeting>.<agent>``.

    Args:
        name: such as ``ES2002a.A``.
        talk: what is said, a segment a command.
        times: offset and duration of each, s; words share them evenly.
    """
    words = ElementTree.Element(f"{{{_NITE}}}root", {_ID: f"{name}.words"})
    segments = ElementTree.Element(f"{{{_NITE}}}root", {_ID: f"{name}.segs"})
    for i, (command, (offset, duration)) in enumerate(zip(talk.commands, times)):
        first, spoken = len(words), command.english.split()
        step = duration / len(spoken)
        for j, word in enumerate(spoken):
            start, end = f"{offset + j * step:.2f}", f"{offset + (j + 1) * step:.2f}"
            bare = word.rstrip(".,?!")
            _word(words, name, bare, start, end)
            if bare != word:
                _word(words, name, word[len(bare) :], end, end, punc="true")
        segment = ElementTree.SubElement(
            segments,
            "segment",
            {_ID: f"{name}.segment{i}"},
            transcriber_start=f"{offset:.2f}",
            transcriber_end=f"{offset + duration:.2f}",
        )
        href = f"{name}.words.xml#id({name}.words{first})..id({name}.words{len(words) - 1})"
        ElementTree.SubElement(segment, f"{{{_NITE}}}child", href=href)
    return words, segments


def _word(root, name: str, text: str, start: str, end: str, **more: str) -> None:
    place = {_ID: f"{name}.words{len(root)}"}
    word = ElementTree.SubElement(
        root, "w", place, starttime=start, endtime=end, **more
    )
    word.text = text


def _write(path: Path, root: ElementTree.Element) -> None:
    ElementTree.indent(root)
    with atomic_open(path, "wb") as file:
        ElementTree.ElementTree(root).write(file, "ISO-8859-1", xml_declaration=True)


LAYOUT = Layout("ami", ("annotations", "amicorpus"), plan, write)
