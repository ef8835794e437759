"""Puts our classes among the choices of ESPnet's tasks."""

from collections.abc import Iterable

from espnet_mtla import compat
from espnet_mtla.decoder.variants import (
    GQADecoder,
    MHADecoder,
    MLADecoder,
    MQADecoder,
    MTLADecoder,
)
from espnet_mtla.errors import InputError
from espnet_mtla.frontend import TextEmbedding

DECODERS = {
    "mha": MHADecoder,
    "mqa": MQADecoder,
    "gqa": GQADecoder,
    "mla": MLADecoder,
    "mtla": MTLADecoder,
}
"""Name in a YAML file (``decoder: mtla``) and class."""


FRONTENDS = {"text": TextEmbedding}
"""Likewise (``frontend: text``), for what reads text."""


def register(tasks: Iterable[str] = compat.TASKS) -> None:
    """Make our classes choices of ESPnet's tasks; calling again is harmless.

    Args:
        tasks: of :data:`compat.TASKS`. Importing one costs seconds.

    Raises:
        InputError: an unknown task.
        ValueError: a name is taken by a class that is not ours, or ESPnet asks
            for another base class than it used to.
    """
    for task in tasks:
        if task not in compat.TASKS:
            raise InputError(f"task {task!r}: give one of {', '.join(compat.TASKS)}")
        _add(task, "decoder", DECODERS)
        if task == "mt":
            _add(task, "frontend", FRONTENDS)


def _add(task: str, kind: str, classes: dict[str, type]) -> None:
    choices = getattr(compat.task_module(task), f"{kind}_choices")
    for name, ours in classes.items():
        taken = choices.classes.get(name, ours)
        if taken is not ours:
            raise ValueError(f"{task}: {kind} {name!r} is taken by {taken}")
        if choices.base_type and not issubclass(ours, choices.base_type):
            raise ValueError(f"{task}: {kind}s must be {choices.base_type} now")
        choices.classes[name] = ours
