"""Refuses, before a recipe's first stage, what a later one would refuse.

So a mistyped option or a missing package is not met only when training starts,
after hours of data preparation.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec

import yaml

from espnet_mtla.bin import run
from espnet_mtla.bin.train import merged_config
from espnet_mtla.errors import InputError
from espnet_mtla.variants import VARIANTS


def check_decoder(conf: dict, given: Sequence[str]) -> None:
    """Build the configured decoder without weights.

    Args:
        conf: a training configuration.
        given: further options of the decoder, ``name=value``.

    Raises:
        InputError: an option that the decoder does not take.
    """
    options = dict(conf.get("decoder_conf") or {})
    for item in given:
        name, _, value = item.partition("=")
        options[name] = yaml.safe_load(value)
    import torch

    from espnet_mtla.decoder.variants import decoder_class

    if conf.get("decoder") in VARIANTS:
        size = (conf.get("encoder_conf") or {}).get("output_size", 256)  # ESPnet's
        with torch.device("meta"):
            decoder_class(conf["decoder"])(2, size, **options)


def check_frontend(conf: dict) -> None:
    """Look for the package of ESPnet's S3PRL front end.

    Raises:
        InputError: it is configured and not installed.
    """
    if conf.get("frontend") == "s3prl" and find_spec("s3prl") is None:
        raise InputError(
            f"frontend: s3prl needs a package: {sys.executable} -m pip install espnet-s3prl"
        )


def check_args(
    name: str, parser: argparse.ArgumentParser, words: Sequence[str]
) -> None:
    """Have ESPnet's parser read options that go to it.

    Args:
        name: the recipe's option that holds them, for the message.
        parser: ESPnet's.
        words: the options, and others that the parser requires.

    Raises:
        InputError: what the parser says of them.
    """

    def refuse(message: str) -> None:
        raise InputError(f"--{name}: {message}")

    parser.error = refuse
    parser.allow_abbrev = False  # a name cut short is more likely a mistake
    parser.parse_args(words)


def main(argv: Sequence[str] | None = None) -> None:
    """Check the options of one recipe.

    Raises:
        InputError: a file or an option that cannot be used, or a missing package.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", required=True, help="ESPnet's")
    parser.add_argument(
        "--config", action="append", required=True, help="YAML; later ones win"
    )
    parser.add_argument(
        "--decoder_conf", action="append", default=[], help="name=value"
    )
    parser.add_argument("--tgt_lang", help="language whose BLEU will be computed")
    parser.add_argument("--train_args", default="", help="further options of training")
    parser.add_argument("--inference_args", default="", help="and of decoding")
    parser.add_argument("--lm_args", default="", help="and of the language model")
    args = parser.parse_args(argv)
    conf = merged_config(args.config)
    check_decoder(conf, args.decoder_conf)
    check_frontend(conf)
    if args.tgt_lang:
        from espnet_mtla.scoring.translation import bleu_metric

        bleu_metric(args.tgt_lang)
    # ESPnet's parsers take many seconds to import: only when there is something to read
    if args.train_args:
        from espnet_mtla.tasks import task_class

        espnet = task_class(args.task).get_parser()
        check_args(f"{args.task}_args", espnet, args.train_args.split())
    if args.lm_args:
        from espnet_mtla import compat

        espnet = compat.task_class("lm").get_parser()
        check_args("lm_args", espnet, args.lm_args.split())
    if args.inference_args:
        from espnet_mtla.bin.inference import DATA, inference_parser

        required = ["--output_dir", "x", f"--{DATA}", "x,x,x"]
        espnet = inference_parser(args.task)
        check_args("inference_args", espnet, required + args.inference_args.split())


if __name__ == "__main__":
    run(main)
