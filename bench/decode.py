"""Decoding with random weights to a forced length: engines and variants compared.

    python -m bench.decode --output decode.json
    python -m bench.decode --contenders ours:mtla2 tiled:mha --beam 50 --device cuda

Every contender decodes the same random encoder outputs; they take turns after a
warm-up, and times are medians. The table is printed, every figure is in the JSON.
"""

import argparse
import contextlib
import logging
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial

import torch

from bench import machine
from bench.contender import Contender, contender
from bench.peers import espnet
from bench.presets import PRESETS
from bench.tables import finish
from bench.watch import prompts_timed, watched
from bench.work import Case, add_options, chosen
from espnet_mtla.bin import run
from espnet_mtla.errors import InputError
from espnet_mtla.search.graph import CAPTURES
from espnet_mtla.variant import VARIANTS

CONTENDERS_HELP = (
    "ours:V, tiled:V, authors:mtla<s>, espnet (its own decoder), espnet+cache (over "
    "cached keys and values, in our search), espnet:V (ours in its search), plain:V (ours in plain PyTorch), on a GPU plain+kernel:V, "
    f"plain+graph:V; V is {', '.join(VARIANTS)} or mtla<s>"
)


def compare(
    case: Case,
    names: Sequence[str],
    *,
    device: str = "cpu",
    dtype: str = "float32",
    repeats: int = 5,
    budget: float = float("inf"),
    limits: dict | None = None,
    at: Callable[[str], object] = machine.nobody,
) -> dict:
    """Measure contenders on one case in turns.

    Args:
        names: of contenders, see :mod:`bench.peers`.
        budget: seconds after which a contender is not run again.
        limits: the machine's :func:`bench.machine.ceilings`.
        at: told which contender is built, warmed up or timed next.

    Returns:
        ``case`` and ``results``, one for each contender.
    """
    kind = machine.DTYPES[dtype]
    x = torch.randn(case.utterances, case.prompt, case.size).to(device, kind)
    built, once = {}, {}
    for name in names:
        at(name)
        built[name] = c = contender(name, case, device, kind)
        if case.tokens <= c.fills_first:
            raise InputError(f"{name}: its first step caches prompts; give --tokens 2")
    for name, c in built.items():
        at(name)
        once[name] = survey(c, x, case, device)
    captures: dict[str, list[float]] = {name: [] for name in names}

    def decode(name: str) -> None:
        before = CAPTURES.seconds
        built[name].decode(x, case.tokens)
        captures[name].append(CAPTURES.seconds - before)

    bodies = {name: partial(decode, name) for name in built}
    with contextlib.ExitStack() as stack:
        prompts = {
            n: stack.enter_context(prompts_timed(c, device)) for n, c in built.items()
        }
        times = machine.take_turns(device, bodies, repeats, budget, at)
    results = []
    for name, c in built.items():
        n_steps = case.tokens - c.fills_first
        runs = zip(times[name]["runs"], prompts[name], captures[name], strict=True)
        step = statistics.median(
            (run - prompt - capture) / n_steps for run, prompt, capture in runs
        )
        result = {
            "name": name,
            "parameters": c.parameters(),
            **times[name],
            "prompt_seconds": statistics.median(prompts[name]),
            "capture_seconds": statistics.median(captures[name]),
            "ms_step": 1e3 * step,
            "hyp_steps_s": case.n_hyp / step,
            "rtfx": case.speech_seconds / times[name]["seconds"],
            **once[name],
            "step_flops": c.cost.flops,
            "step_bytes": c.cost.numbers * kind.itemsize,
        }
        if limits:
            result["flops_share"] = c.cost.flops / step / limits["flops"]
            result["roofline"] = c.cost.floor_seconds(kind.itemsize, limits) / step
        results.append(result)
    return {"case": asdict(case), "results": results}


def survey(c: Contender, x: torch.Tensor, case: Case, device: str) -> dict:
    """Run a contender twice without timing it: warm-up, cache, memory, shares."""
    peak = machine.peak_memory(device, lambda: c.decode(x, case.tokens))
    with watched(c, device) as seen:
        c.decode(x, case.tokens)
    return {
        "cache_bytes": seen.pop("cache_bytes"),
        "peak_bytes": peak + c.packed_bytes(),  # packed before
        "packed_bytes": c.packed_bytes(),
        "shares": seen,
    }


def encode(case: Case, device: str, dtype: str, repeats: int) -> dict:
    """Time ESPnet's Transformer encoder, 12 layers of the same sizes, on its fbank."""
    kind = machine.DTYPES[dtype]
    encoder = espnet.encoder(case, 12).eval().to(device, kind)
    x, lengths = (t.to(device) for t in espnet.fbank(case))
    x = x.to(kind)

    def body():
        with torch.inference_mode():
            encoder(x, lengths)

    body()
    seconds = [machine.clock(device, body)[0] for _ in range(repeats)]
    return {"seconds": statistics.median(seconds), "runs": seconds, "layers": 12}


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options; ``contenders`` are the preset's unless named."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.decode",
        description=__doc__.partition("\n")[0],
    )
    parser.add_argument(
        "--preset", default="cpu", choices=PRESETS, help="setting (default: cpu)"
    )
    parser.add_argument("--contenders", nargs="+", help=CONTENDERS_HELP, metavar="NAME")
    parser.add_argument(
        "--budget",
        type=float,
        default=float("inf"),
        metavar="SECONDS",
        help="a contender whose runs took that long is not run again",
    )
    machine.add_options(parser)
    add_options(parser)
    args = parser.parse_args(argv)
    args.contenders = args.contenders or PRESETS[args.preset].contenders
    return args


def measured(
    args: argparse.Namespace,
    without: Mapping[str, str] | None = None,
    at: Callable[[str], object] = machine.nobody,
) -> dict:
    """Measure one case.

    Args:
        args: as :func:`parse` returns them.
        without: contenders to leave out, and why.
        at: told which contender is measured.
    """
    without = without or {}
    case = chosen(args, PRESETS[args.preset].case)
    machine.set_up(args.device, args.threads)
    logging.disable(logging.WARNING)  # ESPnet's, of texts that reach their length
    about = machine.describe(args.device)
    limits = machine.ceilings(args.device, machine.DTYPES[args.dtype])
    encoder = encode(case, args.device, args.dtype, args.repeats)
    found = compare(
        case,
        [name for name in args.contenders if name not in without],
        device=args.device,
        dtype=args.dtype,
        repeats=args.repeats,
        budget=args.budget,
        limits=limits,
        at=at,
    )
    return {
        "bench": "decode",
        "preset": args.preset,
        "machine": about,
        "dtype": args.dtype,
        "ceilings": limits,
        "encoder": encoder,
        **found,
        "failed": {n: why for n, why in without.items() if n in args.contenders},
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print one case."""
    args = parse(argv)
    finish(measured(args), args.output, argv)


if __name__ == "__main__":
    run(main)
