"""A module with other parts in some places, which shares all the rest with it."""

import copy
from collections.abc import Callable
from typing import Any

from torch.nn import Module


def replaced[M: Module](module: M, change: Callable[[Any], Any]) -> M:
    """Put others in the place of some of a module's parts, and leave the module as it is.

    Args:
        module: which is not changed.
        change: returns what stands in the place of a part, or that part itself; asked
            from the outside in, and not about what is inside of one replaced.

    Returns:
        The module itself where nothing was replaced. Else a copy of it and of the modules
        around what was, with the same parameters, buffers and other parts.
    """
    found = change(module)
    if found is not module:
        return found
    parts = {
        name: part if part is None else replaced(part, change)
        for name, part in module._modules.items()
    }
    if all(part is module._modules[name] for name, part in parts.items()):
        return module
    found = copy.copy(module)
    vars(found)["_modules"] = parts  # a compiled module sets attributes of the original
    return found
