"""Checks checkpoints before ESPnet loads them.

ESPnet loads with ``strict=False``: a checkpoint of another decoder, or an
averaged one that came out empty, would decode with random weights.
"""

import argparse
import logging
import zipfile
from pathlib import Path
from pickle import UnpicklingError

import torch
import yaml

from espnet_mtla.errors import InputError
from espnet_mtla.stock import known
from espnet_mtla.trial import build_decoder

logger = logging.getLogger(__name__)


def check_checkpoint(config: str | None, model: str | None) -> None:
    """Refuse a missing, unreadable or empty checkpoint, or another decoder's.

    Args:
        config: ``config.yaml`` that training saved.
        model: ``*.pth``.

    Raises:
        InputError: naming the file and what to do.
    """
    conf, state = load_trained(config, model, stage=11)
    name = conf.get("decoder")
    decoder = known(name)
    if decoder is None:
        return  # one of ESPnet's that no recipe trains
    given = {
        k.removeprefix("decoder."): v
        for k, v in state.items()
        if k.startswith("decoder.")
    }
    wanted = {decoder.embedding: torch.empty(0)}
    if decoder.embedding in given:
        options = conf.get("decoder_conf") or {}
        vocabulary, size = given[decoder.embedding].shape
        built = build_decoder(name, vocabulary, size, options)
        # MTLA of versions 0.1.0 and 0.2.0 has no gain of gates, and is loaded without
        wanted = {
            name: weight
            for name, weight in built.state_dict().items()
            if name in given or not name.endswith(".gate_gain")
        }
        given = {k: v for k, v in given.items() if not k.endswith(".gate_scale")}
    check_weights(wanted, given, f"{config} (decoder {name})", model)


def check_language_model(
    config: str | None, model: str | None, trained: str | None = None
) -> None:
    """Refuse a language model that is missing, unreadable, empty or foreign.

    Args:
        config: ``config.yaml`` that its training saved.
        model: its ``*.pth``.
        trained: ``config.yaml`` of the model it is to be fused with, which must
            have the same units.

    Raises:
        InputError: naming the file and what to do.
    """
    from espnet_mtla import compat

    conf, state = load_trained(config, model, stage=7)
    if "lm_conf" not in conf:
        raise InputError(f"{config} is not a language model's; give what stage 7 made")
    if trained and conf["token_list"] != load_config(trained)["token_list"]:
        raise InputError(
            f"{config} has other units than {trained}; train it with theirs (stage 7)"
        )
    with torch.device("meta"):
        lm = compat.task_class("lm").build_model(argparse.Namespace(**conf))
    check_weights(lm.state_dict(), state, config, model)


def load_config(path: str) -> dict:
    """Read a ``config.yaml`` that training saved."""
    with open(path, encoding="utf-8") as f:
        return yaml.load(f, yaml.CSafeLoader) or {}


def load_trained(config: str | None, model: str | None, stage: int) -> tuple:
    """Return a training's configuration and weights.

    Args:
        config: ``config.yaml`` that training saved.
        model: ``*.pth``.
        stage: which makes them, for the message.

    Raises:
        InputError: one is missing, unreadable or empty.
    """
    config = _existing(config, "config", stage)
    model = _existing(model, "model file", stage)
    state = load_weights(model)
    if not state:
        raise InputError(f"{model}: an empty checkpoint; average again (stage {stage})")
    return load_config(config), state


def _existing(path: str | None, option: str, stage: int) -> str:
    if path is None or not Path(path).is_file():
        raise InputError(
            f"{path or 'none given'}: no such {option}; train first (stage {stage} of a "
            "recipe)"
        )
    return path


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
    """Refuse an ``--init_param FILE:FROM:TO:EXCLUDE`` that would go wrong unsaid.

    Raises:
        InputError: the file is missing, holds no weights named ``FROM``, or MTLA's of
            version 0.1.0 or 0.2.0, whose gates are scaled otherwise than a new model's.
    """
    path, prefix, _, excluded = (init_param.split(":") + 3 * [""])[:4]
    held = load_weights(path)
    names = [name for name in held if name.startswith(prefix)]
    unscaled = [
        name
        for name in names
        if name.endswith(".linear_c.weight")
        and name.replace("linear_c.weight", "gate_gain") not in held
        and not any(name.startswith(e) for e in excluded.split(",") if e)
    ]
    if unscaled:
        raise InputError(
            f"{path} holds an MTLA decoder of espnet_mtla 0.1.0 or 0.2.0, whose gates "
            f"are scaled otherwise; start from its encoder alone, as in "
            f"{path}:encoder:encoder"
        )
    if not names:
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


def check_weights(
    wanted: dict, given: dict, config: str | None, model: str | None
) -> None:
    """Refuse weights that are missing, too many, or of another shape.

    Args:
        wanted: name and tensor of each weight that ``config`` asks for.
        given: of each that ``model`` holds.
        config: for the message.
        model: for the message.

    Raises:
        InputError: they differ.
    """
    shapes = [
        {k: getattr(v, "shape", None) for k, v in s.items()} for s in (wanted, given)
    ]
    wanted, given = shapes
    wrong = [k for k in wanted.keys() | given.keys() if wanted.get(k) != given.get(k)]
    if wrong:
        raise InputError(
            f"{model} is not a checkpoint of {config}: of its weights {len(wrong)} "
            f"are other ones, as {min(wrong)}; give the one trained with it"
        )
