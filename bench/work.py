"""What is decoded, and what that costs at least: operations and bytes of a step.

Symbols as in the decoder: ``B`` utterances, ``K`` hypotheses of each, ``N = B K``,
``T`` prompt frames, ``L`` text tokens, ``D`` width, ``V`` vocabulary.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from bench import machine
from espnet_mtla.variant import parse

FRAME_SECONDS = 0.04
"""A prompt frame: four fbank frames of 10 ms."""


@dataclass(frozen=True)
class Case:
    """One setting; sizes are the paper's. No prompt is padded.

    ``ctc_margin`` is ESPnet's ``--ctc_window_margin``; ``lm_layers`` are those of a
    Transformer language model of the decoder's sizes, at a weight of 0.5.
    """

    utterances: int = 2
    beam: int = 20
    prompt: int = 250
    tokens: int = 40
    ctc_weight: float = 0.0
    layers: int = 9
    size: int = 512
    heads: int = 8
    linear_units: int = 2048
    vocabulary: int = 8000
    ctc_margin: int = 0
    lm_layers: int = 0

    @property
    def n_hyp(self) -> int:
        """``N``."""
        return self.utterances * self.beam

    @property
    def speech_seconds(self) -> float:
        """Speech behind all prompts."""
        return self.utterances * self.prompt * FRAME_SECONDS


def add_options(parser: argparse.ArgumentParser, but: Sequence[str] = ()) -> None:
    """Add an option for each field of a case but those named."""
    for field in fields(Case):
        if field.name not in but:
            option = f"--{field.name.replace('_', '-')}"
            kind = machine.count if field.type is int else machine.share
            parser.add_argument(option, type=kind)


def chosen(args: argparse.Namespace, base: Case) -> Case:
    """Return ``base`` with what was given on the command line."""
    given = {f.name: getattr(args, f.name, None) for f in fields(Case)}
    return replace(base, **{k: v for k, v in given.items() if v is not None})


@dataclass(frozen=True)
class Cost:
    """Multiply-adds counted as two operations, and numbers moved to or from memory."""

    flops: float
    numbers: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.flops + other.flops, self.numbers + other.numbers)

    def floor_seconds(self, itemsize: int, ceilings: dict) -> float:
        """Least time, at a machine's measured ``ceilings``."""
        return max(
            self.flops / ceilings["flops"], self.numbers * itemsize / ceilings["bytes"]
        )


def step_cost(case: Case, variant: str, engine: str) -> Cost:
    """Mean cost of a decoding step in all layers and the output layer.

    Weights are read once a step, logits written and read once. Of the caches, the
    shared engine reads the prompts' and the tails' and copies the tails at a
    reorder; the tiled one reads, concatenates and reorders all of them, once for
    each hypothesis. Elementwise work, activations and CTC count as free.

    Args:
        case: the setting.
        variant: as ``mtla4``, see :func:`espnet_mtla.variant.parse`.
        engine: ``shared`` or ``tiled``.

    Raises:
        InputError: an unknown variant.
    """
    found, options = parse(variant)
    layer = found.layer_cost(case.size, case.heads, options)
    n_hyp, output = case.n_hyp, case.size * case.vocabulary
    weights = case.layers * (layer.weights + 2 * case.size * case.linear_units)
    slots = case.prompt / layer.stride
    tail = (case.tokens + 1) / 2 / layer.stride  # mean over the steps
    products = weights + output + case.layers * (slots + tail) * layer.products
    cached = case.layers * layer.cached
    if engine == "tiled":  # read, reorder twice, concatenate twice at a new slot
        moved = n_hyp * cached * (slots + tail) * (3 + 2 / layer.stride)
    else:
        moved = cached * (case.utterances * slots + n_hyp * tail * 3)
    moved += weights + output + 2 * n_hyp * case.vocabulary
    return Cost(2.0 * n_hyp * products, moved)


def stock_cached_step_cost(case: Case) -> Cost:
    """Mean cost of a step of ESPnet's decoder over cached keys and values.

    As :func:`step_cost` counts it for the shared engine.
    """
    size, n_hyp, text = case.size, case.n_hyp, (case.tokens + 1) / 2
    weights = case.layers * (6 * size * size + 2 * size * case.linear_units)
    weights += size * case.vocabulary
    products = weights + case.layers * 2 * size * (text + case.prompt)
    cached = case.layers * 2 * size
    moved = cached * (case.utterances * case.prompt + n_hyp * text * 3)
    moved += weights + 2 * n_hyp * case.vocabulary
    return Cost(2.0 * n_hyp * products, moved)


def lm_step_cost(case: Case, cached: bool) -> Cost:
    """Mean cost of a step of the case's language model, as :func:`stock_step_cost`.

    Args:
        case: the setting.
        cached: whether keys and values are, or layer outputs.
    """
    size, n_hyp, text = case.size, case.n_hyp, (case.tokens + 1) / 2
    layer = 4 * size * size + 2 * size * case.linear_units
    output = size * case.vocabulary if case.lm_layers else 0
    products = layer + 2 * size * text + (0 if cached else 2 * size * size * text)
    moved = case.lm_layers * (layer + n_hyp * size * 3 * text * (2 if cached else 1))
    moved += output + (2 * n_hyp * case.vocabulary if output else 0)
    return Cost(2.0 * n_hyp * (case.lm_layers * products + output), moved)


def stock_step_cost(case: Case) -> Cost:
    """Mean cost of a step of ESPnet's ``TransformerDecoder``, as it is made.

    It caches layer outputs, and projects keys and values of all text and of each
    hypothesis's copy of the source anew at every step.
    """
    size, n_hyp = case.size, case.n_hyp
    text = (case.tokens + 1) / 2
    products: float = 4 * size * size + 2 * size * case.linear_units
    products += 2 * size * size * (text + case.prompt)
    products += 2 * size * (text + case.prompt)
    weights = 8 * size * size + 2 * size * case.linear_units
    moved: float = case.layers * (weights + n_hyp * size * (3 * text + case.prompt))
    moved += case.size * case.vocabulary + 2 * n_hyp * case.vocabulary
    total = case.layers * products + size * case.vocabulary
    return Cost(2.0 * n_hyp * total, moved)
