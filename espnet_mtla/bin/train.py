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

from espnet_mtla.corpora.datadir import atomic_open
from espnet_mtla.errors import InputError


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


def split_configs(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take every ``--config FILE`` out of a command line: files, and the rest."""
    configs, rest = [], []
    words = iter(argv)
    for word in words:
        if word == "--config":
            configs.append(next(words, ""))
        elif word.startswith("--config="):
            configs.append(word.removeprefix("--config="))
        else:
            rest.append(word)
    return configs, rest


def train(task: str, argv: Sequence[str] | None = None) -> None:
    """Run ESPnet's training of ``task`` with our decoders among its choices.

    Args:
        task: of :data:`espnet_mtla.compat.TASKS`.
        argv: ESPnet's options; ``sys.argv`` when None.

    Raises:
        InputError: bad configuration files or decoder options.
    """
    configs, rest = split_configs(sys.argv[1:] if argv is None else argv)
    if len(configs) > 1:
        if "--output_dir" not in rest[:-1]:
            raise InputError("several --config need --output_dir, to merge them into")
        out = Path(rest[rest.index("--output_dir") + 1])
        out.mkdir(parents=True, exist_ok=True)
        merged = merged_config(configs)
        with atomic_open(out / "train.yaml") as f:
            f.write(f"# merged from {' '.join(configs)}\n")
            yaml.safe_dump(merged, f, sort_keys=False)
        configs = [str(out / "train.yaml")]
    # ESPnet takes many seconds to import: not before the configuration is read
    from espnet_mtla import compat, registry

    registry.register([task])
    compat.task_class(task).main(cmd=[*_as_options(configs), *rest])


def _as_options(configs: Sequence[str]) -> list[str]:
    return [word for path in configs for word in ("--config", path)]
