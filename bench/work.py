"""What is decoded, and what that costs at least: operations and bytes of a step.

Symbols as in the decoder: ``B`` utterances, ``K`` hypotheses of each, ``N = B K``,
``T`` prompt frames, ``L`` text tokens, ``D`` width, ``V`` vocabulary.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from bench import machine
from espnet_mtla.errors import InputError
from espnet_mtla.nearest import did_you_mean

FRAME_SECONDS = 0.04
"""A prompt frame: four fbank frames of 10 ms."""
VARIANTS = ("mha", "mqa", "gqa", "mla", "mtla")


@dataclass(frozen=True)
class Case:
    """One setting; sizes are the paper's. No prompt is padded."""

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
class Variant:
    """An attention variant, ``mla`` or ``mtla4`` (a stride of 4; 2 when left out)."""

    kind: str
    stride: int = 1

    @classmethod
    def parse(cls, name: str) -> "Variant":
        """Return the variant of a name.

        Raises:
            InputError: an unknown one.
        """
        found = re.fullmatch(r"([a-z]+)([1-9]\d*)?", name)
        kind, stride = found.groups() if found else (name, None)
        if kind not in VARIANTS or (stride and kind != "mtla"):
            raise InputError(
                f"{name}: no such variant{did_you_mean(name, VARIANTS)}; give "
                "mha, mqa, gqa, mla, mtla or mtla<stride>"
            )
        return cls(kind, int(stride or 2) if kind == "mtla" else 1)

    def groups(self, heads: int) -> int:
        """Key and value heads; latent variants have one for all."""
        return {"mha": heads, "gqa": 2}.get(self.kind, 1)

    def cached(self, case: Case) -> int:
        """Numbers in a cache slot of one layer."""
        width = case.size // case.heads
        if self.kind in ("mla", "mtla"):
            return 4 * width + width // 2
        return 2 * width * self.groups(case.heads)


@dataclass(frozen=True)
class Cost:
    """Multiply-adds counted as two operations, and numbers moved to or from memory."""

    flops: float
    numbers: float

    def floor_seconds(self, itemsize: int, ceilings: dict) -> float:
        """Least time, at a machine's measured ``ceilings``."""
        return max(
            self.flops / ceilings["flops"], self.numbers * itemsize / ceilings["bytes"]
        )


def step_cost(case: Case, variant: Variant, engine: str) -> Cost:
    """Mean cost of a decoding step in all layers and the output layer.

    Weights are read once a step, logits written and read once. Of the caches, the
    shared engine reads the prompts' and the tails' and copies the tails at a
    reorder; the tiled one reads, concatenates and reorders all of them, once for
    each hypothesis. Elementwise work, activations and CTC count as free.

    Args:
        engine: ``shared`` or ``tiled``.
    """
    width, n_hyp = case.size // case.heads, case.n_hyp
    weights = _layer_weights(case, variant)
    slots = case.prompt / variant.stride
    tail = (case.tokens + 1) / 2 / variant.stride  # mean over the steps
    per_slot = _attention_products(case, variant)
    absorbed = 0
    if variant.kind in ("mla", "mtla"):
        absorbed = 2 * case.heads * width * 4 * width
    products = case.layers * (weights + absorbed + (slots + tail) * per_slot)
    products += case.size * case.vocabulary
    cached = case.layers * variant.cached(case)
    if engine == "tiled":  # read, reorder twice, concatenate twice at a new slot
        moved = n_hyp * cached * (slots + tail) * (3 + 2 / variant.stride)
    else:
        moved = cached * (case.utterances * slots + n_hyp * tail * 3)
    moved += case.layers * (weights + absorbed)
    moved += case.size * case.vocabulary + 2 * n_hyp * case.vocabulary
    return Cost(2.0 * n_hyp * products, moved)


def _layer_weights(case: Case, variant: Variant) -> int:
    """Weights of a layer that a token is multiplied with, but for up-projections."""
    size, width = case.size, case.size // case.heads
    feed_forward = 2 * size * case.linear_units
    if variant.kind in ("mla", "mtla"):
        rank, rope = 4 * width, width // 2
        weights = size * case.heads * (width + rope)  # queries
        weights += size * (rank + rope) + case.heads * width * size
        if variant.kind == "mtla":
            weights += 2 * rank * (rank // 4)  # the hyper-network
        return weights + feed_forward
    shared = 2 * size * width * variant.groups(case.heads)
    return 2 * size * size + shared + feed_forward


def _attention_products(case: Case, variant: Variant) -> int:
    """Products of one token's heads with one cache slot: scores and values."""
    width = case.size // case.heads
    if variant.kind in ("mla", "mtla"):
        return case.heads * (2 * 4 * width + width // 2)
    return 2 * case.heads * width


def stock_step_cost(case: Case) -> Cost:
    """Mean cost of a step of ESPnet's ``TransformerDecoder``, as it is made.

    It caches layer outputs, and projects keys and values of all text and of each
    hypothesis's copy of the source anew at every step.
    """
    size, n_hyp = case.size, case.n_hyp
    text = (case.tokens + 1) / 2
    products = 4 * size * size + 2 * size * case.linear_units
    products += 2 * size * size * (text + case.prompt)
    products += 2 * size * (text + case.prompt)
    weights = 8 * size * size + 2 * size * case.linear_units
    moved = case.layers * (weights + n_hyp * size * (3 * text + case.prompt))
    moved += case.size * case.vocabulary + 2 * n_hyp * case.vocabulary
    total = case.layers * products + size * case.vocabulary
    return Cost(2.0 * n_hyp * total, moved)
