"""Registers our decoders as soon as one of ESPnet's tasks is imported, and not before.

Importing a task takes many seconds, so :func:`espnet_mtla.registry.register` is for who
needs it anyway. :func:`install` is for programs that run anything of ESPnet, as ``python -m
espnet_mtla`` does. Processes that they spawn have no hook; see :mod:`espnet_mtla.tasks`.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

from espnet_mtla.task import TASKS

MODULES = frozenset(name for task in TASKS.values() for name in task.modules)


def install() -> None:
    """Have our decoders among the choices of ESPnet's tasks, imported now or later.

    Calling again is harmless. Nothing is imported here unless a task is already there.

    Raises:
        ValueError: as :func:`espnet_mtla.registry.register`, also where a task is imported.
    """
    if FINDER not in sys.meta_path:
        sys.meta_path.insert(0, FINDER)
    for name in MODULES & sys.modules.keys():
        _register(sys.modules[name])


def _register(module: ModuleType) -> None:
    from espnet_mtla.registry import add_decoders  # needs PyTorch

    add_decoders(module)


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        _register(module)


class _Finder(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None) -> ModuleSpec | None:
        """Find a task where Python does, for our loader; leave all else to others."""
        if fullname not in MODULES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


FINDER = _Finder()
