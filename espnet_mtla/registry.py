"""Puts the decoders into ESPnet's tasks, through their ``decoder_choices``."""

from collections.abc import Iterable
from types import ModuleType

from espnet_mtla import compat
from espnet_mtla.decoder.variants import decoder_class
from espnet_mtla.errors import InputError
from espnet_mtla.task import TASKS
from espnet_mtla.variant import VARIANTS


def register(tasks: str | Iterable[str] = TASKS) -> None:
    """Make our decoders choices of ESPnet's tasks; calling again is harmless.

    Args:
        tasks: of :data:`espnet_mtla.task.TASKS`, one or several. Importing one costs seconds.

    Raises:
        InputError: an unknown task.
        ValueError: a name is taken by a class that is not ours, or ESPnet asks
            for another base class than it used to.
    """
    for task in [tasks] if isinstance(tasks, str) else tasks:
        if task not in TASKS:
            raise InputError(f"task {task!r}: give one of {', '.join(TASKS)}")
        add_decoders(compat.task_module(task))


def add_decoders(module: ModuleType) -> None:
    """Make our decoders choices of one of ESPnet's modules.

    Args:
        module: of :attr:`espnet_mtla.task.Task.modules`.

    Raises:
        ValueError: as :func:`register`.
    """
    choices, where = module.decoder_choices, module.__name__
    for name in VARIANTS:
        decoder = decoder_class(name)
        taken = choices.classes.get(name, decoder)
        if taken is not decoder:
            raise ValueError(f"{where}: decoder {name!r} is taken by {taken}")
        if choices.base_type and not issubclass(decoder, choices.base_type):
            raise ValueError(f"{where}: decoders must be {choices.base_type} now")
        choices.classes[name] = decoder
