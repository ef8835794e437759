"""Training of a task: registers our decoders and hands over to ESPnet.

Everything is an option of ESPnet's own ``<task>_train``; the one thing added
is that ``--config`` may be given several times. The files are merged in order
(maps key by key, everything else replaced), so that a recipe's training
configuration and a decoder's fragment stay apart.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from espnet_mtla.checkpoint import check_pretrained, put_broken_aside
from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open


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


def train(task: str, argv: Sequence[str] | None = None) -> None:
    """Run ESPnet's training of ``task`` with our decoders among its choices.

    Args:
        task: of :data:`espnet_mtla.compat.TASKS`.
        argv: ESPnet's options; ``sys.argv`` when None.

    Raises:
        InputError: bad configuration files or decoder options.
    """
    configs, rest = take_option("config", sys.argv[1:] if argv is None else argv)
    outs, _ = take_option("output_dir", rest)
    for param in take_option("init_param", rest)[0]:
        check_pretrained(param)
    if outs:
        put_broken_aside(Path(outs[-1]) / "checkpoint.pth")
    if len(configs) > 1:
        if not outs:
            raise InputError("several --config need --output_dir, to merge them into")
        out = Path(outs[-1])
        merged = merged_config(configs)
        with atomic_open(out / "train.yaml") as f:
            f.write(f"# merged from {' '.join(configs)}\n")
            yaml.safe_dump(merged, f, sort_keys=False)
        configs = [str(out / "train.yaml")]
    # ESPnet takes many seconds to import: not before the configuration is read
    from espnet_mtla.tasks import task_class

    options = [word for path in configs for word in ("--config", path)]
    task_class(task).main(cmd=[*options, *rest])
