"""A decoding step taken apart: its kernels, launches, copies and waits.

    python -m bench.profile --device cuda --dtype bfloat16 --output profile.json

Contenders are first timed as by :mod:`bench.decode`; then one search of each, behind
the caching of its prompts, runs under PyTorch's profiler. Captures of graphs count
as calls to CUDA. On a CPU operators stand in the place of kernels.
"""

import argparse
import functools
import logging
from collections.abc import Callable, Mapping, Sequence

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity

from bench import machine
from bench.contender import Contender, contender
from bench.decode import CONTENDERS_HELP, compare
from bench.presets import ST
from bench.tables import finish
from bench.work import add_options, chosen
from espnet_mtla.bin import run

CONTENDERS = ("ours:mtla2", "ours:mha", "plain:mtla2")
TOKENS = 20
LAUNCHES = ("cudaLaunch", "cuLaunch", "cudaGraphLaunch", "cuGraphLaunch")
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
COPIES = ("cudaMemcpy", "cuMemcpy")


def profiled(c: Contender, x: torch.Tensor, n_tokens: int, device: str) -> dict:
    """Run one search; figures of its mean step."""
    activities = [ProfilerActivity.CPU]
    if device.startswith("cuda"):
        activities.append(ProfilerActivity.CUDA)
    profile = torch.profiler.profile(activities=activities)
    begins = c.decoder.batch_init_state

    @functools.wraps(begins)
    def first(*args, **kwargs):
        state = begins(*args, **kwargs)
        machine.wait(device)
        profile.start()
        return state

    c.decoder.batch_init_state = first
    try:
        c.decode(x, n_tokens)
        machine.wait(device)
        profile.stop()
    finally:
        del c.decoder.batch_init_state
    return figures(profile.key_averages(), n_tokens, device)


def figures(events: Sequence, n_steps: int, device: str) -> dict:
    """Sort a profile's events into kernels and calls to CUDA, each of a mean step."""
    cuda = device.startswith("cuda")
    kernels, calls = [], []
    for e in events:
        if cuda and e.device_type == DeviceType.CUDA:
            kernels.append((e.key, e.count, e.self_device_time_total))
        elif cuda and e.key.startswith("cu"):
            calls.append((e.key, e.count, e.self_cpu_time_total))
        elif not cuda:
            kernels.append((e.key, e.count, e.self_cpu_time_total))
    kernels.sort(key=lambda kernel: -kernel[2])

    def count(starts: tuple[str, ...]) -> float:
        return sum(n for key, n, _ in calls if key.startswith(starts)) / n_steps

    return {
        "kernel_ms": sum(us for *_, us in kernels) / 1e3 / n_steps,
        "kernels": sum(n for _, n, _ in kernels) / n_steps,
        "launches": count(LAUNCHES),
        "waits": count(WAITS),
        "copies": count(COPIES),
        "host_ms": sum(us for *_, us in calls) / 1e3 / n_steps,
        "by_kernel": _rows(kernels, n_steps),
        "by_call": _rows(sorted(calls, key=lambda call: -call[2]), n_steps),
    }


def _rows(found: list[tuple[str, int, float]], n_steps: int) -> list[dict]:
    return [
        {"name": key, "calls": n / n_steps, "ms": us / 1e3 / n_steps}
        for key, n, us in found
    ]


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.profile", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--contenders",
        nargs="+",
        default=CONTENDERS,
        help=CONTENDERS_HELP,
        metavar="NAME",
    )
    machine.add_options(parser, repeats=3)
    add_options(parser, but=("tokens",))
    parser.add_argument("--tokens", type=machine.count, default=TOKENS)
    return parser.parse_args(argv)


def measured(
    args: argparse.Namespace,
    without: Mapping[str, str] | None = None,
    at: Callable[[str], object] = machine.nobody,
) -> dict:
    """Time and profile the contenders; see :func:`bench.decode.measured`."""
    without = without or {}
    case = chosen(args, ST)
    machine.set_up(args.device, args.threads)
    logging.disable(logging.WARNING)  # ESPnet's, of texts that reach their length
    dtype = machine.DTYPES[args.dtype]
    about = machine.describe(args.device)
    limits = machine.ceilings(args.device, dtype)
    found = compare(
        case,
        [name for name in args.contenders if name not in without],
        device=args.device,
        dtype=args.dtype,
        repeats=args.repeats,
        limits=limits,
        at=at,
    )
    x = torch.randn(case.utterances, case.prompt, case.size).to(args.device, dtype)
    for result in found["results"]:
        at(result["name"])
        c = contender(result["name"], case, args.device, dtype)
        c.decode(x, case.tokens)
        result["profile"] = profiled(c, x, case.tokens, args.device)
    return {
        "bench": "profile",
        "machine": about,
        "dtype": args.dtype,
        "ceilings": limits,
        **found,
        "failed": {n: why for n, why in without.items() if n in args.contenders},
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Profile the contenders and print their tables."""
    args = parse(argv)
    finish(measured(args), args.output, argv)


if __name__ == "__main__":
    run(main)
