"""Reads a run.sh's options and says what follows from them, as variables of its shell.

    python -m espnet_mtla.recipe.settle TASK CORPUS FOLDER STARTED_IN [LINE ...] -- [OPTION ...]

Lines are what a recipe declares itself, their words behind each other with U+001F between:
``option NAME KIND DEFAULT HELP`` and ``default NAME VALUE [VALUE_WITH_MINI]``. On file
descriptor 3 come names and values, each with a zero byte behind it; ``--help`` prints to
standard output, and writes none.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.declared import declared
from espnet_mtla.recipe.options import HelpAsked, Option, Options
from espnet_mtla.recipe.settings import Settings

SEPARATOR = "\x1f"


def recipe_options(
    task: str, corpus: str, folder: str, lines: Sequence[str]
) -> Options:
    """Return the options of a recipe, not yet read.

    Args:
        task: ESPnet's.
        corpus: the recipe's.
        folder: the corpus's folder on a disk.
        lines: what the recipe declares, see the module's head.

    Raises:
        InputError: a default of what is no option.
    """
    options = {option.name: option for option in declared(task, corpus, folder)}
    for line in lines:
        kind, name, *words = line.split(SEPARATOR)
        if kind == "option":
            options[name] = Option(name, *words)
        elif name not in options:
            raise InputError(
                f"this recipe sets a default for --{name}, which is no option"
            )
        else:
            options[name].default = words[0]
            options[name].mini = words[1] if len(words) > 1 else options[name].mini
    return Options(options.values())


def variables(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the shell's variables: ``name``, ``name[0]``, ``name[key]``, and values."""
    for name, value in settings.options.values.items():
        yield f"opt[{name}]", value
    for name in settings.options.given:
        yield f"option_given[{name}]", "true"
    for name, value in settings.names.items():
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name}[{key}]", v) for key, v in value.items())
        else:
            yield from ((f"{name}[{i}]", v) for i, v in enumerate(value))


def settle(argv: Sequence[str]) -> None:
    """Do what the module's head says.

    Raises:
        InputError: an option that cannot be used.
    """
    split = list(argv).index("--")
    task, corpus, folder, started_in, *lines = argv[:split]
    options = recipe_options(task, corpus, folder, lines)
    try:
        options.read(argv[split + 1 :])
    except HelpAsked:
        print(f"Usage: run.sh --mini true | --{corpus} PATH [--name value ...]")
        print(
            f"Folders are relative to {os.getcwd()}; paths of what is there already, "
            "also to where you are."
        )
        print(options.explained())
        return
    settings = Settings(options, task, corpus, folder, started_in, os.environ)
    with open(3, "wb") as out:
        out.writelines(
            os.fsencode(f"{name}\0{value}\0") for name, value in variables(settings)
        )


if __name__ == "__main__":
    try:
        settle(sys.argv[1:])
    except InputError as e:
        sys.exit(f"run.sh: {e}")
