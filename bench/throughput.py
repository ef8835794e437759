"""A whole recogniser of ESPnet's with random weights: by ESPnet, accelerated, in batches.

    python -m bench.throughput --output throughput.json
    python -m bench.throughput --utterances 64 --contenders alone batched

The encoder is a Conformer of 12 layers, the decoder ESPnet's Transformer, and the options
are ESPnet's for recognition (beam 10, CTC 0.3 with its window, 5000 units). Utterances are
noise as long as LibriSpeech's, their texts 3 units a second.
"""

import argparse
import logging
import operator
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml

from bench import machine
from bench.peers.ours import IMPOSSIBLE
from bench.tables import finish
from espnet_mtla.bin import run
from espnet_mtla.errors import InputError

RATE = 16000
LEAST, MOST, MEDIAN, SPREAD = 2.0, 25.0, 6.0, 0.6
"""Seconds of utterances: log-normal about the median, within two bounds."""
UNITS = 5000
CONTENDERS = {
    "espnet": "ESPnet's call, one by one",
    "alone": "accelerated, one by one",
    "batched": "accelerated, all in one list",
    "bfloat16": "in bfloat16, all in one list",
    "int8": "with int8 weights, one by one",
}
DEFAULT = tuple(CONTENDERS)[:3]


def save(folder: Path, args: argparse.Namespace) -> None:
    """Save a recogniser with random weights."""
    from espnet2.tasks.asr import ASRTask

    tokens = ["<blank>", "<unk>", *map(str, range(UNITS - 3)), "<sos/eos>"]
    shape = {"attention_heads": 8, "linear_units": 4 * args.size}
    conf = ASRTask.get_default_config() | {
        "token_list": tokens,
        "token_type": "word",
        "frontend_conf": {"fs": RATE, "n_fft": 512, "hop_length": 160},
        "specaug": None,
        "normalize": "utterance_mvn",
        "encoder": "conformer",
        "encoder_conf": {
            **shape,
            "output_size": args.size,
            "num_blocks": args.layers,
            "macaron_style": True,
            "rel_pos_type": "latest",
            "pos_enc_layer_type": "rel_pos",
            "selfattention_layer_type": "rel_selfattn",
        },
        "decoder": "transformer",
        "decoder_conf": {**shape, "num_blocks": max(1, args.layers // 2)},
    }
    model = ASRTask.build_model(argparse.Namespace(**conf))
    with torch.no_grad():  # texts end where the option says
        model.decoder.output_layer.bias[-1] = IMPOSSIBLE
    torch.save(model.state_dict(), folder / "model.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(conf))


def load(folder: Path, device: str, **options: Any) -> Any:
    """Load it as ESPnet's users do."""
    from espnet2.bin.asr_inference import Speech2Text

    return Speech2Text(
        str(folder / "config.yaml"),
        str(folder / "model.pth"),
        device=device,
        beam_size=10,
        ctc_weight=0.3,
        maxlenratio=0.12,
        **options,
    )


def lengths(n: int) -> list[int]:
    """Draw samples of ``n`` utterances."""
    drawn = torch.randn(n, generator=torch.Generator().manual_seed(0))
    seconds = (MEDIAN * (SPREAD * drawn).exp()).clamp(LEAST, MOST)
    return (seconds * RATE).long().tolist()


class Slots:
    """Counts the slots of a search's steps, and those of utterances that go on."""

    def __init__(self, search: Any):
        self.held = self.busy = 0
        step = search._step

        def watched(slots: Any) -> torch.Tensor:
            self.held += len(slots.done)
            self.busy += int((~slots.done).sum())
            return step(slots)

        search._step = watched


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.throughput", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--utterances", type=machine.count, default=16)
    parser.add_argument("--layers", type=machine.count, default=12)
    parser.add_argument("--size", type=machine.count, default=512)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=DEFAULT)
    machine.add_options(parser, repeats=1)
    args = parser.parse_args(argv)
    if args.dtype != "float32":
        raise InputError(f"--dtype {args.dtype}: give --contenders {args.dtype}")
    return args


def measured(
    args: argparse.Namespace,
    without: Mapping[str, str] | None = None,
    at: Callable[[str], object] = machine.nobody,
) -> dict:
    """Measure the contenders in turns; see :func:`bench.decode.measured`."""
    without = without or {}
    machine.set_up(args.device, args.threads)
    logging.disable(logging.WARNING)
    from espnet_mtla import accelerate

    samples = lengths(args.utterances)
    speech = [torch.randn(n) / 10 for n in samples]
    names = [name for name in args.contenders if name not in without]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(folder, args)
        theirs = load(folder, args.device)
        fast, batched = accelerate(theirs), accelerate(theirs)
        decode: dict[str, Callable[[list[torch.Tensor]], list]] = {
            "espnet": lambda batch: [theirs(x) for x in batch],
            "alone": lambda batch: [fast(x) for x in batch],
            "batched": batched,
        }
        if "bfloat16" in names:
            decode["bfloat16"] = accelerate(theirs, dtype="bfloat16")
        if "int8" in names:
            quantised = load(folder, args.device, quantize_asr_model=True)
            decode["int8"] = accelerate(quantised)
    units: dict[str, list[list[str]]] = {}

    def body(name: str) -> None:
        units[name] = [nbest[0][1] for nbest in decode[name](speech)]

    for name in names:
        at(name)
        decode[name](speech[:2])
    slots = Slots(batched.beam_search)
    bodies = {name: partial(body, name) for name in names}
    times = machine.take_turns(args.device, bodies, args.repeats, at=at)
    base = units.get("espnet", units[names[0]])
    same = {n: sum(map(operator.eq, units[n], base)) for n in names}
    return {
        "bench": "throughput",
        "machine": machine.describe(args.device),
        "dtype": args.dtype,
        "case": {
            "utterances": len(samples),
            "seconds": sum(samples) / RATE,
            "layers": args.layers,
            "size": args.size,
        },
        "results": [
            {"name": name, **times[name], "same_texts": same[name]} for name in names
        ],
        "busy": slots.busy / slots.held if slots.held else None,
        "failed": dict(without),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the contenders and print a table."""
    args = parse(argv)
    finish(measured(args), args.output, argv)


if __name__ == "__main__":
    run(main)
