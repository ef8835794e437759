"""A training step with random weights: our attention and the authors'.

    python -m bench.train --output train.json
    python -m bench.train --attention --prompts 500 2000   # one attention, no decoder
    python -m bench.train --encoder 12 --device cuda --dtype bfloat16

A step is forward and backward of the decoder stack from encoder outputs to a loss,
teacher-forced; with ``--encoder`` from the features that ESPnet's encoder reads.
Contenders take turns after a warm-up; times are medians. Memory is the most that a step
holds at a time beyond weights, gradients and inputs; operations are those that PyTorch's
FlopCounterMode sees, products alone.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench import machine
from bench.peers import espnet, ours
from bench.tables import finish
from bench.work import Case, add_options, chosen
from espnet_mtla.bin import run
from espnet_mtla.decoder.prompt import PromptDecoder
from espnet_mtla.errors import InputError

CONTENDERS = ("ours:mha", "ours:mla", "ours:mtla2", "authors:mtla2")
DEFAULT = Case(utterances=16, prompt=500, tokens=60)


def contender(name: str, case: Case, device: str, dtype: torch.dtype) -> PromptDecoder:
    """Build a stack: a decoder of ours, its attention replaced by a peer's.

    Raises:
        InputError: an unknown one, or a peer without the variant.
    """
    engine, _, kind = name.partition(":")
    model = ours.decoder(case, kind)
    if engine == "authors" and model.variant.name == "mtla":
        from bench.peers.authors import TrainedAttention

        for layer in model.layers:
            layer.self_attn = TrainedAttention(layer.self_attn)
    elif engine != "ours":
        raise InputError(f"{name}: give ours:V or authors:mtla<s>")
    return model.train().to(device, dtype)


class Stack(torch.nn.Module):
    """ESPnet's encoder, and a decoder behind it."""

    def __init__(self, encoder: torch.nn.Module, decoder: torch.nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x, x_lengths, tokens, n_tokens):
        """See ``PromptDecoder.forward``; ``x`` are features."""
        x, x_lengths, _ = self.encoder(x, x_lengths)
        return self.decoder(x, x_lengths, tokens, n_tokens)


def step(
    model: torch.nn.Module, case: Case, device: str, dtype: torch.dtype
) -> Callable[[], None]:
    """Return a function that makes one training step and leaves no gradients."""
    if isinstance(model, Stack):
        x, x_lengths = espnet.fbank(case)
    else:
        x = torch.randn(case.utterances, case.prompt, case.size)
        x_lengths = torch.full((case.utterances,), case.prompt)
    x, x_lengths = x.to(device, dtype), x_lengths.to(device)
    tokens = torch.randint(
        case.vocabulary, (case.utterances, case.tokens), device=device
    )
    n_tokens = torch.full((case.utterances,), case.tokens, device=device)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)

    def body():
        logits, _ = model(x, x_lengths, tokens, n_tokens)
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), tokens.flatten()
        )
        loss.backward()

    return body


def attention_step(
    model: PromptDecoder, case: Case, device: str, dtype: torch.dtype
) -> Callable[[], None]:
    """Return :func:`step` of the first layer's attention by itself."""
    attention = model.layers[0].self_attn
    prompt, text = (
        torch.randn(case.utterances, n, case.size, device=device).to(dtype)
        for n in (case.prompt, case.tokens)
    )
    lengths = torch.full((case.utterances,), case.prompt, device=device)
    weight = torch.randn_like(text)
    for p in (prompt, text, *attention.parameters()):
        p.requires_grad_().grad = torch.zeros_like(p)

    def body():
        layout = attention.layout(lengths, case.prompt, case.tokens)
        attention(text, prompt, layout).backward(weight)

    return body


def compare(
    case: Case,
    names: Sequence[str],
    device: str,
    dtype: str,
    repeats: int,
    make_step: Callable = step,
    encoder: int = 0,
    at: Callable[[str], object] = machine.nobody,
) -> dict:
    """Measure training steps of one case; ``case`` and ``results``."""
    kind = machine.DTYPES[dtype]
    bodies: dict[str, Callable] = {}
    once: dict[str, dict] = {}
    for name in names:
        at(name)
        model: torch.nn.Module = contender(name, case, device, kind)
        if encoder:
            stack = Stack(espnet.encoder(case, encoder), model)
            model = stack.train().to(device, kind)
        bodies[name] = make_step(model, case, device, kind)
        with FlopCounterMode(display=False) as counted:
            bodies[name]()
        once[name] = {
            "peak_bytes": machine.peak_memory(device, bodies[name]),
            "flops": counted.get_total_flops(),
        }
    times = machine.take_turns(device, bodies, repeats, at=at)
    results = [{"name": name, **times[name], **once[name]} for name in names]
    return {"case": asdict(case), "results": results}


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options.

    Raises:
        InputError: an encoder in front of an attention without a decoder.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bench.train", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--contenders",
        nargs="+",
        default=CONTENDERS,
        metavar="ENGINE:VARIANT",
        help=f"ours:V, authors:mtla<s> (default: {' '.join(CONTENDERS)})",
    )
    parser.add_argument(
        "--attention", action="store_true", help="one attention without a decoder"
    )
    parser.add_argument(
        "--encoder",
        type=machine.count,
        default=0,
        metavar="LAYERS",
        help="train ESPnet's Transformer encoder with the decoder (default: none)",
    )
    parser.add_argument(
        "--prompts", nargs="+", type=machine.count, default=[DEFAULT.prompt]
    )
    add_options(parser, but=("prompt", "beam", "ctc_weight"))
    machine.add_options(parser)
    args = parser.parse_args(argv)
    if args.encoder and args.attention:
        raise InputError("--encoder: --attention is of one attention alone")
    return args


def measured(
    args: argparse.Namespace,
    without: Mapping[str, str] | None = None,
    at: Callable[[str], object] = machine.nobody,
) -> dict:
    """Measure one case for each prompt length; see :func:`bench.decode.measured`."""
    without = without or {}
    machine.set_up(args.device, args.threads)
    case = chosen(args, DEFAULT)
    about = machine.describe(args.device)
    cases = [
        compare(
            replace(case, prompt=n),
            [name for name in args.contenders if name not in without],
            args.device,
            args.dtype,
            args.repeats,
            attention_step if args.attention else step,
            args.encoder,
            at,
        )
        for n in args.prompts
    ]
    return {
        "bench": "train",
        "attention": args.attention,
        "encoder": args.encoder,
        "machine": about,
        "dtype": args.dtype,
        "cases": cases,
        "failed": {n: why for n, why in without.items() if n in args.contenders},
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print one case for each prompt length."""
    args = parse(argv)
    finish(measured(args), args.output, argv)


if __name__ == "__main__":
    run(main)
