"""Checks checkpoints before ESPnet loads them.

ESPnet loads with ``strict=False``: a checkpoint of another decoder, or an
averaged one that came out empty, would decode with random weights.
"""

import logging
import zipfile
from pathlib import Path
from pickle import UnpicklingError

import torch
import yaml

from espnet_mtla.errors import InputError

logger = logging.getLogger(__name__)


def check_checkpoint(config: str | None, model: str | None) -> None:
    """Refuse a missing, unreadable, empty or foreign checkpoint.

    Args:
        config: ``config.yaml`` that training saved.
        model: ``*.pth``.

    Raises:
        InputError: naming the file and what to do.
    """
    for option, path in (("config", config), ("model file", model)):
        if path is None or not Path(path).is_file():
            raise InputError(f"{path}: no such {option}; train first (stage 11)")
    with open(config, encoding="utf-8") as f:
        conf = yaml.load(f, yaml.CSafeLoader) or {}
    state = load_weights(model)
    if not state:
        raise InputError(f"{model}: an empty checkpoint; average again (stage 11)")
    check_weights(conf, state, config, model)


def load_weights(path: str) -> dict[str, torch.Tensor]:
    """Map a checkpoint's weights, without reading them.

    Raises:
        InputError: it is missing, or not a checkpoint.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        return torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (
        OSError,
        RuntimeError,
        EOFError,
        KeyError,
        ValueError,
        UnpicklingError,
    ) as e:
        reason = " ".join(str(e).split())[:100]
        raise InputError(f"{path}: not a readable checkpoint ({reason})") from None


def check_pretrained(init_param: str) -> None:
    """Refuse an ``--init_param FILE:FROM:TO:EXCLUDE`` that would change nothing.

    Raises:
        InputError: the file is missing or holds no weights named ``FROM``.
    """
    path, prefix = (init_param.split(":") + [""])[:2]
    names = load_weights(path)
    if not any(name.startswith(prefix) for name in names):
        raise InputError(
            f"{path} holds no weights of {prefix!r}: give a model that training saved, "
            "as valid.acc.ave.pth"
        )


def put_broken_aside(checkpoint: Path) -> None:
    """Rename a half-written ``checkpoint.pth``, so that training can go on.

    ESPnet writes it in place after every epoch; a full disk or a kill leaves
    one that ``--resume true`` cannot read.
    """
    if checkpoint.is_file() and not zipfile.is_zipfile(checkpoint):
        broken = checkpoint.with_name("checkpoint.broken")
        checkpoint.replace(broken)
        logger.warning("%s was cut short: kept as %s", checkpoint, broken)


def check_weights(conf: dict, state: dict, config: str, model: str) -> None:
    """Refuse weights whose decoder is not the configuration's.

    Args:
        conf: a training configuration with ``decoder`` and ``decoder_conf``.
        state: name and tensor of each weight.
        config: where ``conf`` is from, for the message.
        model: where ``state`` is from.

    Raises:
        InputError: weights are missing, too many, or of another shape.
    """
    from espnet_mtla.registry import DECODERS

    name = conf.get("decoder")
    if name not in DECODERS:
        return  # ESPnet's own decoder
    given = {
        k.removeprefix("decoder."): tuple(v.shape)
        for k, v in state.items()
        if k.startswith("decoder.")
    }
    wanted: dict = {"embed.weight": ("V", "D")}
    if "embed.weight" in given:
        options = conf.get("decoder_conf") or {}
        with torch.device("meta"):
            decoder = DECODERS[name](*given["embed.weight"], **options)
        wanted = {k: tuple(v.shape) for k, v in decoder.state_dict().items()}
    wrong = [k for k in wanted.keys() | given.keys() if wanted.get(k) != given.get(k)]
    if wrong:
        raise InputError(
            f"{model} is not a checkpoint of {config} (decoder {name}): "
            f"{len(wrong)} weights differ, as {min(wrong)}; give the one trained with it"
        )
