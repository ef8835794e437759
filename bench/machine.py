"""The machine under a benchmark: versions, ceilings, clocks, memory, JSON."""

import argparse
import contextlib
import json
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's own messages

import torch

from espnet_mtla.environment import environment
from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open
from espnet_mtla.search.packed import pack

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def add_options(parser: argparse.ArgumentParser, repeats: int = 5) -> None:
    """Add the options that all benchmarks have."""
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--dtype", default="float32", choices=DTYPES)
    parser.add_argument("--threads", type=count, default=1, help="of the host")
    parser.add_argument(
        "--repeats", type=count, default=repeats, help=f"runs of each ({repeats})"
    )
    parser.add_argument("--output", type=json_file, help="JSON with every figure")


def count(text: str) -> int:
    """Return a positive integer that an option was given."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no integer of at least 1")
    return int(text)


def share(text: str) -> float:
    """Return a number between 0 and 1 that an option was given."""
    with contextlib.suppress(ValueError):
        if 0.0 <= float(text) <= 1.0:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number between 0 and 1")


def json_file(text: str) -> Path:
    """Return the path of a file to write, before anything is measured for it."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder: give a JSON file's path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise argparse.ArgumentTypeError(f"cannot make {path.parent}: {e}") from None
    return path


def set_up(device: str, threads: int) -> None:
    """Prepare for measuring: ``threads`` of the host, the same random weights.

    Raises:
        InputError: there is no such device here.
    """
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise InputError(f"--device {device}: give cpu, cuda or cuda:<n>")
    if device != "cpu" and not torch.cuda.is_available():
        raise InputError(f"--device {device}: PyTorch finds no GPU here; give cpu")
    if ":" in device:
        torch.cuda.set_device(device)
    torch.set_num_threads(threads)
    torch.manual_seed(0)


def describe(device: str) -> dict:
    """Return versions, date, commit, and what the device and its host are."""
    found = environment()
    keep = ("date", "python version", "espnet version", "torch version", "git hash")
    about: dict[str, object] = {key: found[key] for key in keep}
    for package in ("mtla", "triton"):
        try:
            about[f"{package} version"] = version(package)
        except PackageNotFoundError:
            continue
    cuda = device.startswith("cuda")
    about["device"] = torch.cuda.get_device_name() if cuda else cpu_name()
    about["host"] = cpu_name()
    about["cores"] = len(os.sched_getaffinity(0))
    about["threads"] = torch.get_num_threads()
    about["tf32"] = torch.backends.cuda.matmul.allow_tf32
    if cuda:
        about["cuda version"] = torch.version.cuda
    return about


def cpu_name() -> str:
    """Return the processor's name as the kernel gives it, and what it computes with."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    names = re.findall(r"^model name\s*: (.*)", text, re.MULTILINE)
    name = names[0] if names else platform.processor() or platform.machine()
    with_amx = " AMX" if "amx_tile" in text else ""
    return f"{name} {torch.backends.cpu.get_cpu_capability()}{with_amx}"


def wait(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def clock(device: str, body: Callable[[], object]) -> tuple[float, float]:
    """Run ``body`` once; wall seconds, and CPU seconds of this process."""
    wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    body()
    wait(device)
    return time.perf_counter() - wall, time.process_time() - cpu


def nobody(name: str) -> None:
    """Hear who runs next, and do nothing about it."""


def take_turns(
    device: str,
    bodies: Mapping[str, Callable[[], object]],
    repeats: int,
    budget: float = float("inf"),
    at: Callable[[str], object] = nobody,
) -> dict[str, dict]:
    """Run every body ``repeats`` times, A B C A B C, so that drift meets all alike.

    Args:
        bodies: already warmed up.
        budget: seconds after which a body is not run again.
        at: told who runs next.

    Returns:
        For each its runs in wall and CPU seconds, and their medians.
    """
    wall: dict[str, list[float]] = {name: [] for name in bodies}
    cpu: dict[str, list[float]] = {name: [] for name in bodies}
    for _ in range(repeats):
        for name, body in bodies.items():
            if sum(wall[name]) < budget:
                at(name)
                seconds, used = clock(device, body)
                wall[name].append(seconds)
                cpu[name].append(used)
    return {
        name: {
            "seconds": statistics.median(wall[name]),
            "cpu_seconds": statistics.median(cpu[name]),
            "runs": [round(t, 6) for t in wall[name]],
            "cpu_runs": [round(t, 6) for t in cpu[name]],
        }
        for name in bodies
    }


def peak_memory(device: str, body: Callable[[], object]) -> int:
    """Run ``body`` once; most bytes that it held at a time beyond what there was.

    On a GPU by PyTorch's allocator. On a CPU by every allocation and release that
    PyTorch's profiler reports, buffers inside operators too: an exact count of
    tensors, the same on any machine that runs the same operators.
    """
    if device.startswith("cuda"):
        body()  # libraries' workspaces stay, and are not its own
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        body()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=cpu, profile_memory=True) as profile:
        body()
    changes = [
        (event.start_ns(), event.nbytes())
        for event in profile.profiler.kineto_results.events()
        if event.name() == "[memory]"
    ]
    live = most = 0
    for _, change in sorted(changes, key=lambda event: event[0]):
        live += change
        most = max(most, live)
    return most


SLOW = 0.05
"""Seconds of a product after which no larger one is tried."""


def ceilings(device: str, dtype: torch.dtype, repeats: int = 7) -> dict[str, float]:
    """Measure what the device can do: a matrix product and a copy.

    On a CPU also the product of a packed linear layer, which our steps use and which
    is made by another library.

    Returns:
        ``flops`` a second, a multiply-add counted as two; ``bytes`` a second, read
        and written; of each the best run, size and way.
    """
    cuda = device.startswith("cuda")
    sizes, n_copied = ((4096, 8192), 2**30) if cuda else ((512, 1024, 2048), 2**27)
    rates = []
    for size in sizes:
        a = torch.randn(size, size, device=device).to(dtype)
        linear = pack(torch.nn.Linear(size, size, bias=False).to(device, dtype))
        products = partial(torch.mm, a, a, out=torch.empty_like(a)), partial(linear, a)
        with torch.no_grad():
            seconds = min(fastest(device, product, repeats) for product in products)
        rates.append(2 * size**3 / seconds)
        if seconds > SLOW:  # half precision on a CPU that has none takes minutes
            break
    source = torch.zeros(n_copied, dtype=torch.uint8, device=device)
    copying = partial(torch.zeros_like(source).copy_, source)
    return {
        "flops": max(rates),
        "bytes": 2 * n_copied / fastest(device, copying, repeats),
    }


def fastest(device: str, body: Callable[[], object], repeats: int) -> float:
    """Run ``body`` some times; wall seconds of the fastest run."""
    return min(clock(device, body)[0] for _ in range(repeats))


def write(path: Path, data: dict) -> None:
    """Write a benchmark's figures as JSON."""
    with atomic_open(path) as f:
        json.dump(data, f, indent=1)
        f.write("\n")


def read(path: Path) -> dict:
    """Read a benchmark's figures.

    Raises:
        InputError: there is no such file, or it is no benchmark's.
    """
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise InputError(f"{path}: not a benchmark's JSON ({e})") from None
    if not isinstance(data, dict) or "bench" not in data:
        raise InputError(f"{path}: not a benchmark's JSON (no field 'bench')")
    return data
