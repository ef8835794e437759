"""ESPnet's tasks with our decoders among their choices.

Training on several GPUs spawns processes that know a task only by its module
and name. Those here register when they are looked up, in whatever process:
``espnet_mtla.tasks.STTask``, ``ASRTask``, ``SLUTask``, ``MTTask``.
"""

from functools import cache
from typing import Any

from espnet_mtla import compat, registry
from espnet_mtla.task import TASKS


@cache
def task_class(task: str) -> type[Any]:
    """Return ESPnet's task class with our decoders registered.

    Args:
        task: of :data:`espnet_mtla.task.TASKS`; importing one costs seconds.

    Raises:
        InputError: an unknown task.
    """
    registry.register([task])
    base = compat.task_class(task)
    return type(base.__name__, (base,), {"__module__": __name__})


def __getattr__(name: str) -> type:
    for task in TASKS:
        if name == f"{task.upper()}Task":
            return task_class(task)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
