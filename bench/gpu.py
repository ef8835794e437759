"""Everything that needs a GPU, in one call of some minutes.

    python -m bench.gpu                  # 300 seconds at most, into bench/results
    python -m bench.gpu --seconds 120 --groups smoke
    python -m bench.gpu --rehearse --output /tmp/rehearsal    # tiny, on a CPU

Groups of contenders are measured in the order of what they decide, one JSON each,
written as soon as it is measured. What has a JSON is not measured again, but for checks
that failed, so the same command goes on where time ran out; on another card, give
another folder. A group is a process of its own: one that crashes
or hangs costs the others nothing, and is tried again without the contender at fault.
"""

import os
import time

BEGIN = time.monotonic()
# before PyTorch and Triton are imported: caches that grow at every step would leave
# holes in the memory otherwise; kernels are compiled
os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
os.environ.setdefault("TRITON_INTERPRET", "0")

import argparse
import contextlib
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from bench import machine
from bench.groups import PATIENCE, groups, measure
from bench.trial import attempt, tried
from espnet_mtla.bin import run
from espnet_mtla.errors import InputError

RESULTS = Path(os.path.relpath(Path(__file__).parent / "results"))


def preload() -> None:
    """Import what groups need, once for all of them; nothing of it touches the GPU."""
    for name in (
        *(f"bench.{name}" for name in ("decode", "profile", "smoke", "train")),
        "espnet2.asr.ctc",
        "espnet_mtla.search.ctc",
        "espnet_mtla.search.fast",
    ):
        importlib.import_module(name)
    with contextlib.suppress(ImportError):  # each said by the group that needs it
        importlib.import_module("espnet_mtla.search.kernels")
        importlib.import_module("pytest")


def look_for_gpu(at: Callable[[str], object]) -> None:
    """Name the GPU; runs in a process of its own.

    CUDA that was initialised in this process would be of no use in its children.

    Raises:
        InputError: PyTorch finds none.
    """
    if not torch.cuda.is_available():
        raise InputError("PyTorch finds none")
    print(f"== {torch.cuda.get_device_name()}", flush=True)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--seconds", type=machine.count, default=300, help="for all of it (300)"
    )
    parser.add_argument(
        "--output", type=Path, help="folder of the JSONs (default: bench/results)"
    )
    parser.add_argument(
        "--groups",
        nargs="+",
        metavar="NAME",
        help="those whose names begin so, as smoke or decode-paper-st (default: all)",
    )
    parser.add_argument("--commit", help="of this tree, where git cannot tell")
    parser.add_argument(
        "--rehearse", action="store_true", help="tiny sizes on a CPU, into --output"
    )
    args = parser.parse_args(argv)
    if args.rehearse and not args.output:
        raise InputError("--rehearse: give --output, a folder for its figures")
    args.output = args.output or RESULTS
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise InputError(f"--output {args.output}: cannot make it: {e}") from None
    begins = tuple(args.groups or [""])
    args.chosen = [g for g in groups() if g.name.startswith(begins)]
    for begin in begins:
        if not any(g.name.startswith(begin) for g in args.chosen):
            raise InputError(f"--groups {begin}: no group's name begins so")
    if args.rehearse:
        args.chosen = [
            g._replace(name=g.name.replace("cuda", "rehearsal"))
            for g in args.chosen
            if g.on_cpu
        ]
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what there is time for.

    Raises:
        InputError: there is no GPU, or something failed; said at the end.
    """
    begin = BEGIN if argv is None else time.monotonic()
    options = parse(argv)
    preload()
    if not options.rehearse:
        reason = attempt(look_for_gpu, (), 60).reason
        if reason:
            raise InputError(f"bench.gpu needs a GPU: {reason}")
    skipped: dict[str, str] = {}
    failed: dict[str, str] = {}
    for group in options.chosen:
        path = options.output / f"{group.name}.json"
        if path.exists() and not (group.module == "smoke" and failures(path)):
            continue
        left = options.seconds - (time.monotonic() - begin)
        if left < group.seconds:
            skipped[group.name] = f"takes about {group.seconds:.0f} s"
            continue
        print(f"== {group.name}", flush=True)
        limit = PATIENCE * group.seconds
        outcome = tried(measure, (group, path, options), limit, begin + options.seconds)
        if outcome.reason:
            (skipped if outcome.out_of_time else failed)[group.name] = outcome.reason
    report(options, skipped, failed, time.monotonic() - begin)


def failures(path: Path) -> dict[str, str]:
    """Return what failed in a group, and why."""
    return machine.read(path)["failed"]


def report(
    options: argparse.Namespace,
    skipped: dict[str, str],
    failed: dict[str, str],
    seconds: float,
) -> None:
    """Say what is there, what is not and why.

    Raises:
        InputError: something failed, in this call or an earlier one.
    """
    print(f"== {seconds:.0f} s; what there is:")
    for group in options.chosen:
        path = options.output / f"{group.name}.json"
        if path.exists():
            print(path)
            for name, reason in failures(path).items():
                failed[f"{group.name}, {name}"] = reason
    for name, reason in skipped.items():
        print(f"not measured: {name}: {reason}")
    for name, reason in failed.items():
        print(f"failed: {name}: {reason}")
    if any(not (options.output / f"{g.name}.json").exists() for g in options.chosen):
        print("the same command goes on with what is missing")
    if failed:
        raise InputError(f"{len(failed)} failed, named above")


if __name__ == "__main__":
    run(main)
