"""Configurations: YAML files merged, and command lines on top of them.

Nothing here imports PyTorch or ESPnet.
"""

import re
from collections.abc import Mapping, Sequence

import yaml

from espnet_mtla.errors import InputError
from espnet_mtla.stock import STOCK

APPENDED = r"_conf$|_data_path_and_name_and_type$|_shape_file$|^init_param$"
"""ESPnet's options that add to what was given before."""
NOT_TRAINING = (
    *("config", "output_dir", "print_config", "dry_run", "resume", "log_"),
    *("ngpu", "num_workers", "dist", "local_rank", "multiprocessing_distributed"),
    *("sharded_ddp", "use_deepspeed", "deepspeed_config", "cudnn_", "max_cache_"),
    *("valid_max_cache_", "num_att_plot", "use_matplotlib", "use_tensorboard"),
    *("create_graph_in_tensorboard", "use_wandb", "wandb_", "detect_anomaly"),
)
"""How the names of ESPnet's options begin that do not change what is learnt."""


def merged_config(paths: Sequence[str]) -> dict:
    """Merge YAML files, later ones over earlier ones.

    Raises:
        InputError: a file is missing, is not YAML, or is not a map.
    """
    merged: dict = {}
    for path in paths:
        try:
            with open(path, encoding="utf-8") as f:
                conf = yaml.safe_load(f)
        except FileNotFoundError:
            raise InputError(f"--config {path}: no such file") from None
        except yaml.YAMLError as e:
            raise InputError(f"{path}: not YAML: {' '.join(str(e).split())}") from None
        if not isinstance(conf, dict):
            raise InputError(f"{path}: give a YAML map of options")
        _merge(merged, conf)
    return merged


def training_config(paths: Sequence[str], words: Sequence[str]) -> dict:
    """Merge the files of a training, and give a decoder of ESPnet's the sizes of ours.

    Args:
        paths: a recipe's configuration, and a fragment of ``conf/decoder``.
        words: the rest of the command line, whose options of the decoder count too.

    Raises:
        InputError: as :func:`merged_config`.
    """
    conf = merged_config(paths)
    if stock := STOCK.get(conf.get("decoder", "")):
        given = overlaid(conf, words).get("decoder_conf") or {}
        conf["decoder_conf"] = stock.sized(given)
    return conf


def _merge(into: dict, new: dict) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def take_option(name: str, argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command line into the values of ``--name``, and the rest."""
    values, rest = [], []
    words = iter(argv)
    for word in words:
        if word == f"--{name}":
            values.append(next(words, ""))
        elif word.startswith(f"--{name}="):
            values.append(word.partition("=")[2])
        else:
            rest.append(word)
    return values, rest


def overlaid(conf: Mapping[str, object], words: Sequence[str]) -> dict:
    """Return options of a YAML file with those of a command line on top.

    Args:
        conf: of the file.
        words: ``--name value``, ``--name=value``, ``--map_conf name=value``; what is
            none of these is left out.
    """
    merged = {k: dict(v) if isinstance(v, Mapping) else v for k, v in conf.items()}
    for name, occurrences in occurring(words).items():
        values = occurrences[-1]  # the last one counts
        if re.search(APPENDED, name):
            values = [value for each in occurrences for value in each]
        pairs = [value.partition("=") for value in values]
        if name.endswith("_conf") and all(equals for _, equals, _ in pairs):
            options = merged.get(name)
            options = dict(options) if isinstance(options, Mapping) else {}
            merged[name] = options | {inner: _read(value) for inner, _, value in pairs}
        elif values:
            read = [_read(value) for value in values]
            merged[name] = read if len(read) > 1 else read[0]
    return merged


def occurring(words: Sequence[str]) -> dict[str, list[list[str]]]:
    """Return the values of each option on a command line, each time that it is given."""
    found: dict[str, list[list[str]]] = {}
    name = None
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            found.setdefault(name, []).append([value] if equals else [])
        elif name:
            found[name][-1].append(word)
    return found


def _read(value: str) -> object:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value
