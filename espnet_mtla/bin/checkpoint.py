"""Checks a checkpoint against its configuration before ESPnet loads it.

ESPnet loads with ``strict=False``: a checkpoint of another decoder, or an
averaged one that came out empty, would decode with random weights.
"""

from pathlib import Path
from pickle import UnpicklingError

import torch
import yaml

from espnet_mtla.errors import InputError


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
        conf = yaml.safe_load(f) or {}
    try:
        state = torch.load(model, map_location="cpu", mmap=True, weights_only=True)
    except (
        OSError,
        RuntimeError,
        EOFError,
        KeyError,
        ValueError,
        UnpicklingError,
    ) as e:
        raise InputError(f"{model}: not a readable checkpoint ({e})") from None
    if not state:
        raise InputError(f"{model}: an empty checkpoint; average again (stage 11)")
    check_weights(conf, state, config, model)


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
