"""Refuses, before a recipe's first stage, what a later one would refuse.

So a mistyped option or a missing package is not met only when training starts,
after hours of data preparation.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import NoReturn

import psutil

from espnet_mtla import limits
from espnet_mtla.bin import run
from espnet_mtla.config import (
    merged_config,
    occurring,
    overlaid,
    training_config,
)
from espnet_mtla.errors import InputError
from espnet_mtla.nearest import did_you_mean
from espnet_mtla.stock import known
from espnet_mtla.trial import build, build_decoder


def check_decoder(conf: dict) -> None:
    """Build the configured decoder without weights, if recipes know it.

    Args:
        conf: a training configuration, the decoder's options of a command line too.

    Raises:
        InputError: an option that the decoder does not take.
    """
    if known(conf.get("decoder")):
        size = (conf.get("encoder_conf") or {}).get("output_size", 256)  # ESPnet's
        options = conf.get("decoder_conf") or {}
        decoder = build_decoder(conf["decoder"], 2, size, options)
        nbytes = sum(p.nbytes for p in decoder.parameters())
        if nbytes > psutil.virtual_memory().total:
            raise InputError(
                f"decoder {conf['decoder']}: its weights would take "
                f"{nbytes / 2**30:.0f} GiB, more than this machine has: make it smaller"
            )


OWN = {
    "train": (
        *("config", "output_dir", "resume", "ngpu", "multiprocessing_distributed"),
        *("token_list", "token_type", "bpemodel", "src_token_list", "src_token_type"),
        *("src_bpemodel", "train_shape_file", "valid_shape_file"),
        *(f"{part}_data_path_and_name_and_type" for part in ("train", "valid")),
    ),
    "inference": (
        *("config", "output_dir", "ngpu", "data_path_and_name_and_type"),
        *("lm_file", "lm_train_config"),
    ),
}
"""Options of ESPnet that run.sh gives itself."""


def check_own(name: str, words: Sequence[str], own: Sequence[str]) -> None:
    """Refuse options that would send outputs elsewhere or take other data.

    Args:
        name: the recipe's option that holds them.
        words: the options.
        own: what run.sh gives itself.

    Raises:
        InputError: one of ``own`` is among them.
    """
    for option in occurring(words):
        if option in own:
            instead = " (--decoder_args)" if option == "decoder_conf" else ""
            raise InputError(
                f"--{name}: leave out --{option}, run.sh gives it itself{instead}"
            )


def check_optimiser(conf: Mapping[str, object], where: Callable[[str], str]) -> None:
    """Refuse what PyTorch's optimiser would refuse when training begins.

    Raises:
        InputError: an option that it does not have, or text in the place of a number.
    """
    import torch

    there = {name.lower(): found for name, found in vars(torch.optim).items()}
    optimiser = there.get(str(conf.get("optim", "")).lower())
    options = conf.get("optim_conf")
    if not isinstance(optimiser, type) or not isinstance(options, Mapping):
        return
    known = inspect.signature(optimiser).parameters
    for name, value in options.items():
        said = where(f"optim_conf {name}")
        if name not in known:
            raise InputError(
                f"{said}: {conf['optim']} has {', '.join(list(known)[1:])}"
            )
        if isinstance(value, str) and isinstance(known[name].default, float):
            raise InputError(f"{said} {value!r}: give a number")


def check_training(conf: Mapping, where: Callable[[str], str]) -> None:
    """Refuse numbers that no training can begin with.

    Raises:
        InputError: naming the option and what it may be.
    """
    limits.check_text(conf, where)
    limits.check(conf, limits.TRAINING, where)
    check_optimiser(conf, where)


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

    def refuse(message: str) -> NoReturn:
        unknown = re.fullmatch(r"unrecognized arguments: --([^ =]+).*", message)
        known = [action.dest for action in parser._actions]
        hint = did_you_mean(unknown[1], known) if unknown else ""
        raise InputError(f"--{name}: {message}{hint}")

    # ESPnet makes the parser: no subclass of ours could say it
    parser.error = refuse  # type: ignore[method-assign]
    parser.allow_abbrev = False  # a name cut short is more likely a mistake
    parser.parse_args(words)


def origin(paths: Sequence[str], option: str, words: Sequence[str]) -> Callable:
    """Return what names an option and where it was given: by ``option`` or a file."""
    named = occurring(words)

    def where(name: str) -> str:
        by_option = name.split()[0] in named
        return f"{f'--{option}' if by_option else ', '.join(paths)}: {name}"

    return where


def check_numbers(args: argparse.Namespace, conf: Mapping) -> None:
    """Check all options that are there, those of files and those of command lines.

    Args:
        args: options of this command.
        conf: the training configuration of its files.

    Raises:
        InputError: naming an option, where it was given, and what it may be.
    """
    name, words = f"{args.task}_args", args.train_args.split()
    check_own(name, words, (*OWN["train"], "seed", "decoder", "decoder_conf"))
    training = overlaid(conf, words)
    check_training(training, origin(args.config, name, words))
    words = args.inference_args.split()
    model = (f"{args.task}_train_config", f"{args.task}_model_file")
    check_own("inference_args", words, (*OWN["inference"], *model))
    decoding = overlaid(merged_config([args.inference_config]), words)
    where = origin([args.inference_config], "inference_args", words)
    limits.check_decoding(args.task, decoding, training, where)
    if args.asr_config:
        conf = merged_config(args.asr_config)
        check_training(conf, origin(args.asr_config, "", []))
        check_frontend(conf)
    if args.lm_config:
        words = args.lm_args.split()
        check_own("lm_args", words, OWN["train"])
        conf = overlaid(merged_config([args.lm_config]), words)
        check_training(conf, origin([args.lm_config], "lm_args", words))


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
    parser.add_argument("--inference_config", required=True, help="YAML of decoding")
    parser.add_argument("--train_args", default="", help="further options of training")
    parser.add_argument("--inference_args", default="", help="and of decoding")
    parser.add_argument(
        "--asr_config", action="append", help="YAML of the recogniser's training"
    )
    parser.add_argument("--lm_config", help="YAML of the language model's training")
    parser.add_argument("--lm_args", default="", help="and further options of it")
    parser.add_argument(
        "--build", action="store_true", help="build the models too, which takes longer"
    )
    args = parser.parse_args(argv)
    given = [word for each in args.decoder_conf for word in ("--decoder_conf", each)]
    conf = training_config(args.config, given)
    check_numbers(args, conf)
    check_decoder(overlaid(conf, given))
    check_frontend(conf)
    if args.tgt_lang:
        from espnet_mtla.scoring.translation import bleu_metric

        bleu_metric(args.tgt_lang)
    # ESPnet's parsers take many seconds to import: only when there is something to read
    if args.train_args:
        from espnet_mtla.tasks import task_class

        espnet = task_class(args.task).get_parser()
        check_args(f"{args.task}_args", espnet, args.train_args.split())
    if args.build:
        build(args.task, overlaid(conf, args.train_args.split()), args.config)
        if args.asr_config:
            build("asr", merged_config(args.asr_config), args.asr_config)
    if args.lm_args:
        from espnet_mtla import compat

        espnet = compat.task_class("lm").get_parser()
        check_args("lm_args", espnet, args.lm_args.split())
    if args.inference_args:
        from espnet_mtla.search.decoding import DATA, inference_parser

        required = ["--output_dir", "x", f"--{DATA}", "x,x,x"]
        espnet = inference_parser(args.task)
        check_args("inference_args", espnet, required + args.inference_args.split())


if __name__ == "__main__":
    run(main)
