"""Reads a run.sh's options and says what follows from them, as variables of its shell.

    python -m espnet_mtla.recipe.settle STARTED_IN [LINE ...] -- [OPTION ...]

Lines are what the recipe says (:func:`~espnet_mtla.recipe.declared.declare`), their words
behind each other with U+001F between. On file descriptor 3 come names and values, each with
a zero byte behind it; ``--help`` prints to standard output, and writes none.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.declared import Recipe, declare, has_mini
from espnet_mtla.recipe.names import Names
from espnet_mtla.recipe.options import HelpAsked, Options
from espnet_mtla.recipe.settings import check, settle_machine

SEPARATOR = "\x1f"
STAGES = (
    "Stages: 1 data preparation, 2 speed perturbation, 3-4 audio and lengths, 5 units, "
    "6-8 language model, 11 pretraining and training, 12 decoding, 13 scoring."
)


def settled(
    recipe: Recipe,
    options: Sequence[str],
    started_in: str,
    environment: Mapping[str, str],
) -> Names:
    """Read, check and settle a recipe's options, in its folder.

    Args:
        recipe: whose they are.
        options: the command line.
        started_in: where the user is.
        environment: the process's.

    Raises:
        InputError: an option that cannot be used.
        HelpAsked: for ``--help``.
    """
    read = Options(recipe.options.values(), recipe.paper)
    read.read(options)
    check(recipe, read, started_in, environment.get("PATH", ""))
    settle_machine(read, environment)
    return Names(recipe, read)


def variables(names: Names) -> Iterator[tuple[str, str]]:
    """Yield the shell's variables: ``name``, ``name[0]``, ``name[key]``, and values."""
    options = names.options
    for name, value in options.values.items():
        yield f"opt[{name}]", value
    yield "task", names.task.name
    yield "corpus", names.recipe.corpus
    yield "redo_from", options["stage"] if "stage" in options.given else ""
    for name, value in vars(names).items():
        if name.startswith("_"):
            continue
        if isinstance(value, bool):
            yield name, str(value).lower()
        elif isinstance(value, str):
            yield name, value
        elif isinstance(value, dict):
            yield from ((f"{name}[{key}]", v) for key, v in value.items())
        elif isinstance(value, list):
            yield from ((f"{name}[{i}]", v) for i, v in enumerate(value))


def main(argv: Sequence[str]) -> None:
    """Do what the module's head says.

    Raises:
        InputError: an option that cannot be used.
    """
    split = list(argv).index("--")
    started_in, *lines = argv[:split]
    recipe = declare([line.split(SEPARATOR) for line in lines])
    try:
        names = settled(recipe, argv[split + 1 :], started_in, os.environ)
    except HelpAsked:
        small = "--mini true | " if has_mini(recipe.corpus) else ""
        print(f"Usage: run.sh {small}--{recipe.corpus} PATH [--name value ...]")
        print(
            f"Folders are relative to {os.getcwd()}; paths of what is there already, "
            "also to where you are."
        )
        print(STAGES)
        print(Options(recipe.options.values()).explained())
        return
    with open(3, "wb") as out:
        out.writelines(
            os.fsencode(f"{name}\0{value}\0") for name, value in variables(names)
        )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
        sys.stdout.flush()
    except InputError as e:
        sys.exit(f"run.sh: {e}")
    except BrokenPipeError:  # --help | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
