"""The attention variants: all that a name decides, in one place.

A variant is a name in a YAML file (``decoder: mtla``), classes of attention, options
with defaults, what a layer of it costs, and what tables and benchmarks call it. To add
one, write its classes, its equations in ``attention/naive.py``, and its entry in
:data:`VARIANTS`. Nothing here imports PyTorch, so commands that only name variants
start at once.
"""

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from espnet_mtla.errors import InputError
from espnet_mtla.nearest import did_you_mean

COMMON: dict[str, Any] = {
    "context": "prompt",
    "attention_heads": 8,
    "linear_units": 2048,
    "num_blocks": 9,
    "dropout_rate": 0.1,
    "self_attention_dropout_rate": 0.0,
}
"""Options that all our decoders have, with their defaults."""


@dataclass(frozen=True)
class LayerCost:
    """What attention over ``[prompt ; text]`` costs a token in one layer.

    Attributes:
        weights: that the token is multiplied with, one product each.
        cached: numbers in a cache slot.
        products: of its heads with one cache slot, for scores and values.
        stride: positions that share a slot.
    """

    weights: int
    cached: int
    products: int
    stride: int = 1


def grouped_cost(
    size: int, heads: int, *, num_kv_heads: int | None = None
) -> LayerCost:
    """Cost of keys and values that query heads share in groups."""
    width, groups = size // heads, num_kv_heads or heads
    weights = 2 * size * size + 2 * size * width * groups
    return LayerCost(weights, 2 * width * groups, 2 * size)


def latent_cost(
    size: int,
    heads: int,
    *,
    kv_lora_rank: int | None = None,
    q_lora_rank: int = 0,
    qk_nope_head_dim: int | None = None,
    qk_rope_head_dim: int | None = None,
    v_head_dim: int | None = None,
    temporal_stride: int | None = None,
) -> LayerCost:
    """Cost of a latent and a rotary key for all heads, up-projections absorbed."""
    width = size // heads
    rank = kv_lora_rank or 4 * width
    nope, values = qk_nope_head_dim or width, v_head_dim or width
    rope = qk_rope_head_dim or max(2, width // 4 * 2)
    queries = heads * (nope + rope)
    weights = size * queries
    if q_lora_rank:
        weights = (size + queries) * q_lora_rank
    weights += size * (rank + rope) + heads * values * size
    weights += heads * (nope + values) * rank  # absorbed
    if temporal_stride:
        weights += 2 * rank * max(1, rank // 4)  # the hyper-network
    products = heads * (2 * rank + rope)
    return LayerCost(weights, rank + rope, products, temporal_stride or 1)


@dataclass(frozen=True, eq=False)
class Variant:
    """One attention variant.

    Attributes:
        name: of the decoder in a YAML file.
        attention: class that attends over ``[prompt ; text]``, ``module:Class``.
        source: class that attends to a source, likewise.
        cost: makes the :class:`LayerCost` of a model width, heads and options.
        options: its own options, with their defaults.
        fixed: options of its classes that the variant itself decides.
    """

    embedding: ClassVar[str] = "embed.weight"
    """Its decoder's weight of the shape ``(V, D)``."""

    name: str
    attention: str
    source: str
    cost: Callable[..., LayerCost]
    options: Mapping[str, object] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """What benchmarks call it, with the default stride: ``mla``, ``mtla2``."""
        return f"{self.name}{self.options.get('temporal_stride', '')}"

    def label(self, conf: Mapping[str, object]) -> str:
        """Name a decoder of this variant in a table.

        Args:
            conf: its ``decoder_conf``.

        Returns:
            The name, MTLA's stride, what is not a default of its own options, and the
            context: ``mtla s=2 q_lora_rank=64, cross``.
        """
        own = dict(self.options)
        label = self.name
        if stride := own.pop("temporal_stride", None):
            label += f" s={conf.get('temporal_stride', stride)}"
        for name, default in own.items():
            if (value := conf.get(name, default)) != default:
                label += f" {name}={value}"
        context = conf.get("context", COMMON["context"])
        return label if context == COMMON["context"] else f"{label}, {context}"

    def shared(self, conf: Mapping[str, object]) -> dict[str, object]:
        """Return the options of :data:`COMMON`, to compare trainings by."""
        return {name: conf.get(name, default) for name, default in COMMON.items()}

    def layer_cost(
        self, size: int, heads: int, given: Mapping[str, object]
    ) -> LayerCost:
        """Return what a layer costs, with options ``given`` on top of the defaults."""
        return self.cost(size, heads, **{**self.options, **given, **self.fixed})

    def classes(self) -> tuple[type[Any], type[Any]]:
        """Import its classes of attention, over a prompt and to a source."""
        return _imported(self.attention), _imported(self.source)


def _imported(path: str) -> type[Any]:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


_ATTENTION = "espnet_mtla.attention"
_GROUPED = (
    f"{_ATTENTION}.grouped:GroupedAttention",
    f"{_ATTENTION}.source:GroupedSource",
    grouped_cost,
)
_WIDTHS = {
    "kv_lora_rank": None,
    "q_lora_rank": 0,
    "qk_nope_head_dim": None,
    "qk_rope_head_dim": None,
    "v_head_dim": None,
}
VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("mha", *_GROUPED),
        Variant("mqa", *_GROUPED, fixed={"num_kv_heads": 1}),
        Variant("gqa", *_GROUPED, options={"num_kv_heads": 2}),  # the paper's groups
        Variant(
            "mla",
            f"{_ATTENTION}.latent:LatentAttention",
            f"{_ATTENTION}.source:LatentSource",
            latent_cost,
            options=_WIDTHS,  # unset ones follow the paper's rule
        ),
        Variant(
            "mtla",
            f"{_ATTENTION}.temporal:TemporalLatentAttention",
            f"{_ATTENTION}.source:TemporalLatentSource",
            latent_cost,
            options=_WIDTHS | {"temporal_stride": 2},
        ),
    )
}
"""By name, in the order of tables."""


def parse(short: str) -> tuple[Variant, dict[str, Any]]:
    """Return the variant of a benchmark's name, and the options that it gives.

    Args:
        short: a name, perhaps with a stride: ``mla``, ``mtla``, ``mtla4``.

    Raises:
        InputError: there is no such variant, or it has no stride.
    """
    found = re.fullmatch(r"([a-z_]+)([1-9]\d*)?", short)
    name, stride = found.groups() if found else (short, None)
    variant = VARIANTS.get(name)
    if variant is None or (stride and "temporal_stride" not in variant.options):
        strided = [v for v in VARIANTS if "temporal_stride" in VARIANTS[v].options]
        known = [*VARIANTS, *(f"{v}<stride>" for v in strided)]
        raise InputError(
            f"{short}: no such variant{did_you_mean(short, VARIANTS)}; give "
            f"{', '.join(known[:-1])} or {known[-1]}"
        )
    return variant, {"temporal_stride": int(stride)} if stride else {}
