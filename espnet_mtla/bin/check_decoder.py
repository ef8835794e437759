"""Builds the configured decoder without weights, to refuse bad options early.

A recipe calls it before its first stage, so that a mistyped option is not met
only when training starts.
"""

import sys
from collections.abc import Sequence

import yaml

from espnet_mtla.bin import run
from espnet_mtla.bin.train import merged_config, take_option
from espnet_mtla.errors import InputError


def main(argv: Sequence[str] | None = None) -> None:
    """Take ``--config FILE`` and ``--decoder_conf name=value``, several each.

    Raises:
        InputError: a file or an option that cannot be used.
    """
    configs, rest = take_option("config", sys.argv[1:] if argv is None else argv)
    given, rest = take_option("decoder_conf", rest)
    if rest:
        raise InputError(f"unknown option {rest[0]}: give --config and --decoder_conf")
    conf = merged_config(configs)
    options = conf.get("decoder_conf") or {}
    for item in given:
        name, _, value = item.partition("=")
        options[name] = yaml.safe_load(value)
    import torch

    from espnet_mtla.registry import DECODERS

    if conf.get("decoder") in DECODERS:
        size = (conf.get("encoder_conf") or {}).get("output_size", 256)  # ESPnet's
        with torch.device("meta"):
            DECODERS[conf["decoder"]](2, size, **options)


if __name__ == "__main__":
    run(main)
