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
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import torch

from bench import machine
from bench.contender import Contender, contender
from bench.presets import PRESETS
from bench.tables import finish
from bench.watch import prompts_timed, watched
from bench.work import Case, add_options, chosen
from espnet_mtla.bin import run
from espnet_mtla.decoder.graph import CAPTURES
from espnet_mtla.errors import InputError

CONTENDERS_HELP = (
    "ours:V, tiled:V, authors:mtla<s>, espnet (its own decoder), espnet:V (ours in "
    "its search), on a GPU ours+kernel:V, ours+graph:V or both; V is mha, mqa, gqa, "
    "mla or mtla<s>"
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
) -> dict:
    """Measure contenders on one case in turns.

    Args:
        names: of contenders, see :mod:`bench.peers`.
        budget: seconds after which a contender is not run again.
        limits: the machine's :func:`bench.machine.ceilings`.

    Returns:
        ``case`` and ``results``, one for each contender.
    """
    kind = machine.DTYPES[dtype]
    x = torch.randn(case.utterances, case.prompt, case.size).to(device, kind)
    built = {name: contender(name, case, device, kind) for name in names}
    for name, c in built.items():
        if case.tokens <= c.fills_first:
            raise InputError(f"{name}: its first step caches prompts; give --tokens 2")
    once = {name: survey(c, x, case, device) for name, c in built.items()}
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
        times = machine.take_turns(device, bodies, repeats, budget)
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
        "peak_bytes": peak,
        "packed_bytes": c.packed_bytes(),
        "shares": seen,
    }


def encode(case: Case, device: str, dtype: str, repeats: int) -> dict:
    """Time ESPnet's Transformer encoder, 12 layers of the same sizes, on its fbank."""
    from espnet2.asr.encoder.transformer_encoder import TransformerEncoder

    encoder = TransformerEncoder(
        80,
        output_size=case.size,
        attention_heads=case.heads,
        linear_units=case.linear_units,
        num_blocks=12,
    )
    encoder = encoder.eval().to(device, machine.DTYPES[dtype])
    n_fbank = 4 * case.prompt + 3  # conv2d takes a quarter of it
    x = torch.randn(case.utterances, n_fbank, 80).to(device, machine.DTYPES[dtype])
    lengths = torch.full((case.utterances,), n_fbank, device=device)

    def body():
        with torch.inference_mode():
            encoder(x, lengths)

    body()
    seconds = [machine.clock(device, body)[0] for _ in range(repeats)]
    return {"seconds": statistics.median(seconds), "runs": seconds, "layers": 12}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print one case."""
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
    preset = PRESETS[args.preset]
    case, names = chosen(args, preset.case), args.contenders or preset.contenders
    machine.set_up(args.device, args.threads)
    logging.disable(logging.WARNING)  # ESPnet's, of texts that reach their length
    about = machine.describe(args.device)
    limits = machine.ceilings(args.device, machine.DTYPES[args.dtype])
    measured = compare(
        case,
        names,
        device=args.device,
        dtype=args.dtype,
        repeats=args.repeats,
        budget=args.budget,
        limits=limits,
    )
    data = {
        "bench": "decode",
        "preset": args.preset,
        "machine": about,
        "dtype": args.dtype,
        "ceilings": limits,
        "encoder": encode(case, args.device, args.dtype, args.repeats),
        **measured,
    }
    finish(data, args.output, argv)


if __name__ == "__main__":
    run(main)
