"""What options of training and decoding may be, to refuse others before hours of work.

ESPnet's parsers take any number. Nothing here imports PyTorch or ESPnet.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from espnet_mtla.errors import InputError
from espnet_mtla.task import TASKS


@dataclass(frozen=True)
class Range:
    """Numbers that an option may have.

    Attributes:
        least: the smallest.
        most: the largest; None for no bound.
        whole: whether it is an integer.
    """

    least: float = -math.inf
    most: float | None = None
    whole: bool = False

    def takes(self, value: object) -> bool:
        """Whether a value of a YAML file or a parser is one of them."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not math.isfinite(value) or (self.whole and value != int(value)):
            return False
        return self.least <= value and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        number = "an integer" if self.whole else "a number"
        if self.most is not None:
            return f"{number} from {self.least:g} to {self.most:g}"
        return (
            number
            if self.least == -math.inf
            else f"{number} of at least {self.least:g}"
        )


NOTHING = (None, "none", "null", "nil")
"""How ESPnet's options are left without a value."""
COUNT = Range(1, whole=True)
SHARE = Range(0, 1)
TRAINING = {
    "max_epoch": COUNT,
    "keep_nbest_models": COUNT,
    "accum_grad": COUNT,
    "batch_bins": COUNT,
    "batch_size": COUNT,
    "valid_batch_size": COUNT,
    "valid_batch_bins": COUNT,
    "num_iters_per_epoch": COUNT,
    "log_interval": COUNT,
    "patience": COUNT,
    "num_workers": Range(0, whole=True),
    "model_conf ctc_weight": SHARE,
    "model_conf asr_weight": SHARE,
    "model_conf mtlalpha": SHARE,
    "model_conf st_mtlalpha": SHARE,
    "model_conf lsm_weight": SHARE,
}
"""Of ESPnet's ``<task>_train``; with a space, options of a map."""
DECODING = {
    "beam_size": Range(1, 1000, whole=True),
    "nbest": Range(1, 1000, whole=True),
    "batch_size": Range(0, whole=True),
    "ctc_weight": SHARE,
    "asr_ctc_weight": SHARE,
    "lm_weight": Range(0, 10),
    "ngram_weight": Range(0, 10),
    "penalty": Range(),
    "maxlenratio": Range(),
    "minlenratio": Range(),
}
"""Of ``<task>_inference``."""


def check(
    conf: Mapping[str, object], ranges: Mapping[str, Range], where: Callable[[str], str]
) -> None:
    """Refuse what is out of range; what is left without a value is ESPnet's to judge.

    Args:
        conf: options by name.
        ranges: :data:`TRAINING` or :data:`DECODING`.
        where: names an option as the user knows it, with its file perhaps.

    Raises:
        InputError: naming the option, its value and what it may be.
    """
    for name, allowed in ranges.items():
        group, _, inner = name.rpartition(" ")
        options = conf.get(group) if group else conf
        value = options.get(inner) if isinstance(options, Mapping) else None
        for number in value if isinstance(value, list) else [value]:
            if number not in NOTHING and not allowed.takes(number):
                raise InputError(f"{where(name)} {number!r}: give {allowed}")


def check_decoding(
    task: str, conf: Mapping, training: Mapping, where: Callable[[str], str]
) -> None:
    """Refuse what no search of a trained model can begin with.

    Args:
        task: ESPnet's.
        conf: options of decoding.
        training: those of the model's training.
        where: see :func:`check`.

    Raises:
        InputError: naming the option and what it may be.
    """
    check(conf, DECODING, where)
    model = training.get("model_conf") or {}
    ctc = TASKS[task].ctc
    if conf.get("ctc_weight") and not (ctc and model.get(*ctc)):
        raise InputError(
            f"{where('ctc_weight')} {conf['ctc_weight']}: the model has no CTC for its "
            "text: give 0"
        )


def check_text(conf: Mapping[str, object], where: Callable[[str], str]) -> None:
    """Refuse numbers that YAML takes for text: ``1e-3``, which lacks a point.

    Raises:
        InputError: naming the option and the number as YAML reads it.
    """
    for group, options in conf.items():
        for name, value in options.items() if isinstance(options, Mapping) else ():
            if isinstance(value, str) and re.fullmatch(
                r"[+-]?[\d.]+[eE][+-]?\d+", value
            ):
                raise InputError(
                    f"{where(f'{group} {name}')}: {value} is text to YAML; write "
                    f"{float(value):.10g}"
                )
