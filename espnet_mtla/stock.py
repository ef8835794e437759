"""ESPnet's own decoders that recipes train beside ours: what a user would have picked instead.

A row of :data:`STOCK` and a file of ``conf/decoder`` add one. Nothing here imports PyTorch
or ESPnet.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from espnet_mtla.errors import InputError
from espnet_mtla.nearest import did_you_mean
from espnet_mtla.variant import COMMON, VARIANTS, Variant

SIZES = {name: value for name, value in COMMON.items() if name != "context"}
"""Options that ESPnet's decoders have too, with our defaults."""


@dataclass(frozen=True, eq=False)
class Stock:
    """One decoder of ESPnet's.

    Attributes:
        name: ESPnet's, in a YAML file.
        found_by: function that returns its class, ``module:function``.
        options: what it takes, with ESPnet's defaults.
        follows: options of its own, and the one of :data:`SIZES` that decides on the same
            in our decoders.
        embedding: its weight of the shape ``(V, D)``.
    """

    name: str
    found_by: str
    options: Mapping[str, object]
    follows: Mapping[str, str] = field(default_factory=dict)
    embedding: str = "embed.0.weight"

    def sized(self, given: Mapping[str, object]) -> dict[str, object]:
        """Return options with which it has the sizes and dropout that ours would have.

        Args:
            given: a recipe's ``decoder_conf``, written for our decoders.
        """
        sizes = {**SIZES, **given}
        return {own: sizes[ours] for own, ours in self.follows.items()} | sizes

    def check(self, given: Mapping[str, object]) -> None:
        """Refuse options that it does not have, with the nearest.

        Raises:
            InputError: naming the option.
        """
        for name in given:
            if name not in self.options:
                raise InputError(
                    f"decoder {self.name} is ESPnet's own and has no option {name!r}"
                    f"{did_you_mean(name, self.options)}; it has "
                    f"{', '.join(self.options)}"
                )

    def label(self, conf: Mapping[str, object]) -> str:
        """Name it in a table.

        Args:
            conf: its ``decoder_conf``.

        Returns:
            The name, and options of its own that :meth:`sized` would have otherwise:
            ``transformer normalize_before=False``.
        """
        found, label = {**self.options, **conf}, self.name
        usual = {**self.options, **self.sized({n: found[n] for n in SIZES})}
        for name, value in found.items():
            if value != usual.get(name):
                label += f" {name}={value}"
        return label

    def shared(self, conf: Mapping[str, object]) -> dict[str, object]:
        """Return our common options as it has them, to compare trainings by.

        It has no context, and passes for one of ours with the usual one.
        """
        found = {**COMMON, **self.options, **conf}
        return {name: found[name] for name in COMMON}

    def decoder(self) -> type[Any]:
        """Import its class."""
        module, _, function = self.found_by.partition(":")
        return getattr(importlib.import_module(module), function)()


STOCK: dict[str, Stock] = {
    stock.name: stock
    for stock in (
        Stock(
            "transformer",
            "espnet_mtla.compat:transformer_decoder",
            options={
                "attention_heads": 4,
                "linear_units": 2048,
                "num_blocks": 6,
                "dropout_rate": 0.1,
                "positional_dropout_rate": 0.1,
                "self_attention_dropout_rate": 0.0,
                "src_attention_dropout_rate": 0.0,
                "input_layer": "embed",
                "use_output_layer": True,
                "normalize_before": True,
                "concat_after": False,
                "layer_drop_rate": 0.0,
                "qk_norm": False,
                "use_flash_attn": True,
                "gradient_checkpoint_layers": [],
                "use_sdpa": False,
            },
            follows={
                "positional_dropout_rate": "dropout_rate",
                "src_attention_dropout_rate": "self_attention_dropout_rate",
            },
        ),
    )
}
"""By name, in the order of tables, where they come before ours."""


def known(name: Any) -> Variant | Stock | None:
    """Return the decoder of a configuration: a variant of ours, or one of :data:`STOCK`."""
    return VARIANTS.get(name) or STOCK.get(name)
