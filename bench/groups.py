"""What is measured on a GPU, in groups, in the order of what they decide."""

import argparse
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from bench import machine
from bench.tables import finish


class Group(NamedTuple):
    """What is measured together.

    Attributes:
        name: of its JSON, with ``cuda`` in it.
        module: of :mod:`bench`, which measures it.
        options: its command line.
        seconds: that it takes, roughly; it is not begun with less, and is ended
            when it takes :data:`PATIENCE` times that.
        on_cpu: whether a rehearsal has it.
    """

    name: str
    module: str
    options: str
    seconds: float
    on_cpu: bool = True


PATIENCE = 3


def groups() -> list[Group]:
    """Return all groups, in the order of what they decide."""
    found = [
        Group("smoke-decoders-cuda", "smoke", "--what decoders --threads 8", 25),
        Group("smoke-kernels-cuda", "smoke", "--what kernels", 30, on_cpu=False),
        Group("smoke-graphs-cuda", "smoke", "--what graphs", 20, on_cpu=False),
    ]
    times = {"bfloat16": (25, 30, 30, 20), "float32": (40, 35, 45, 30)}
    for dtype, expected in times.items():
        presets = ("paper-st", "parts-500", "parts-4000", "stock")
        for preset, seconds in zip(presets, expected):
            options = f"--preset {preset} --dtype {dtype} --repeats 3"
            name = f"decode-{preset}-cuda-{dtype}"
            found.append(Group(name, "decode", options, seconds))
        if dtype == "bfloat16":
            found += [
                Group(f"profile-cuda-{dtype}", "profile", f"--dtype {dtype}", 25),
                *(
                    Group(
                        f"train-{prompt}-cuda-{dtype}",
                        "train",
                        f"--encoder 12 --prompts {prompt} --utterances {n_utt} "
                        f"--dtype {dtype} --repeats 3",
                        20,
                    )
                    for prompt, n_utt in ((500, 16), (2000, 4))
                ),
            ]
    options = "--utterances 24 --contenders batched bfloat16 alone espnet"
    found.append(Group("throughput-cuda-float32", "throughput", options, 45))
    return found


TINY = {
    "utterances": 2,
    "beam": 3,
    "prompt": 7,
    "tokens": 4,
    "layers": 1,
    "size": 32,
    "heads": 4,
    "linear_units": 48,
    "vocabulary": 17,
    "repeats": 1,
    "threads": 1,
    "prompts": 7,
    "encoder": 1,
}
"""Options of a rehearsal; a benchmark takes those that it has."""


def suspects(folder: Path, dtype: str) -> tuple[dict[str, str], dict[str, str]]:
    """Read in ``folder`` what checks found.

    Returns:
        Parts of contenders' names (``+kernel``, ``:mha``) that broke, and those that
        gave wrong numbers; of each the reason.
    """
    broken: dict[str, str] = {}
    wrong: dict[str, str] = {}
    for path in sorted(folder.glob("smoke-*.json")):
        data = machine.read(path)
        for name, reason in data["failed"].items():
            said = f"check {name} failed: {reason}"
            if data["what"] == "decoders":
                variant, _, of = name.partition(" ")
                if of == dtype:
                    wrong.setdefault(f":{variant}", said)
            else:
                asserted = reason.startswith(("AssertionError", "assert "))
                found = wrong if asserted else broken
                found.setdefault(f"+{data['what'].removesuffix('s')}", said)
    return broken, wrong


def told(name: str, about: dict[str, str]) -> str | None:
    """Return what is said about a part of a contender's name."""
    for part, why in about.items():
        if part in name or (part[0] == "+" and name.startswith("ours:")):
            return why
    return None


def arguments(
    module: ModuleType, group: Group, path: Path, rehearse: bool
) -> tuple[argparse.Namespace, list[str]]:
    """Parse a group's options; the arguments, and the words of a command."""
    device = "cpu" if rehearse else "cuda"
    words = [f"--device={device}", *group.options.split(), f"--output={path}"]
    args = module.parse(words)
    if rehearse:
        for name, value in TINY.items():
            if hasattr(args, name):
                words += [f"--{name.replace('_', '-')}", str(value)]
        if hasattr(args, "contenders"):
            names = [n for n in args.contenders if not n.startswith("plain")]
            words += ["--contenders", *names]
        args = module.parse(words)
    return args, words


def measure(
    group: Group,
    path: Path,
    options: argparse.Namespace,
    without: Mapping[str, str],
    at: Callable[[str], object],
) -> None:
    """Measure one group and write its JSON; runs in a process of its own.

    Args:
        group: of :func:`groups`.
        path: of its JSON.
        options: of this command.
        without: contenders that ended such a process before, and how.
        at: told who runs.
    """
    module = importlib.import_module(f"bench.{group.module}")
    args, words = arguments(module, group, path, options.rehearse)
    broken, wrong = suspects(path.parent, args.dtype)
    names = getattr(args, "contenders", ())
    left_out = {n: told(n, broken) for n in names if told(n, broken)}
    data = module.measured(args, {**left_out, **without}, at)
    doubts = {n: told(n, wrong) for n in names if n not in data["failed"]}
    data["doubts"] = {n: why for n, why in doubts.items() if why}
    if options.commit:
        data["machine"]["git hash"] = options.commit
    finish(data, path, words)
