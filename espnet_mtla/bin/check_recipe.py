"""Builds the configured decoder without weights, to refuse bad options early.

A recipe calls it before its first stage, so that a mistyped option is not met
only when training starts.
"""

import argparse
from collections.abc import Sequence

import yaml

from espnet_mtla.bin import run
from espnet_mtla.bin.train import merged_config


def main(argv: Sequence[str] | None = None) -> None:
    """Build the decoder of the merged configurations.

    Raises:
        InputError: a file or an option that cannot be used.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--config", action="append", required=True, help="YAML; later ones win"
    )
    parser.add_argument(
        "--decoder_conf", action="append", default=[], help="name=value"
    )
    args = parser.parse_args(argv)
    conf = merged_config(args.config)
    options = conf.get("decoder_conf") or {}
    for item in args.decoder_conf:
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
