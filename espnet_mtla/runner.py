"""``python -m espnet_mtla ...``: runs what ``python ...`` runs, with our decoders in ESPnet.

ESPnet's recipes call everything as ``${python} ...``, so ``./run.sh --python "python3 -m
espnet_mtla"`` brings the decoders into any of them. Two kinds of ESPnet's modules are not run
as they are. ``espnet2.bin.<task>_train`` trains the task of :mod:`espnet_mtla.tasks`, which
processes that it spawns for several GPUs find with our decoders too.
``espnet2.bin.<task>_inference`` decodes by :mod:`espnet_mtla.search.decoding`.
"""

import os
import re
import runpy
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from types import ModuleType

from espnet_mtla import hook
from espnet_mtla.errors import InputError
from espnet_mtla.task import TASKS

USAGE = """\
usage: python -m espnet_mtla [option ...] (-m MODULE | FILE | -c CODE | -) [arg ...]

Runs a module, a file, code or standard input as python does, with the decoders of
espnet_mtla among ESPnet's. Options are those of python. In any recipe of ESPnet:

  ./run.sh --python "python3 -m espnet_mtla" ...

ESPNET_MTLA_SEARCH, a variable of the environment, says how espnet2.bin.asr_inference and those
of st, slu, mt and s2t search: fast, in batches, by espnet_mtla (the default), or espnet, as ESPnet.
"""
SEARCHES = ("fast", "espnet")
COMMANDS = {
    f"espnet2.bin.{task}_{what}": (task, what)
    for task in TASKS
    for what in ("train", "inference")
}
"""Modules of ESPnet that are not run as they are: their task, and what they do."""
OPTIONS = re.compile(r"-([bBdEiIOPqRsSuvx]*)(?:([cmWX])(.*))?", re.DOTALL)
"""A word of python's options: letters by themselves, then one with a value."""


def main(words: Sequence[str] | None = None) -> None:
    """Run what a command line of Python runs.

    Args:
        words: what stands behind ``python``; ``sys.argv[1:]`` when None.

    Raises:
        InputError: bad options, or a module or file that is not there.
    """
    words = sys.argv[1:] if words is None else words
    if words and words[0] in ("-h", "--help"):
        print(USAGE, end="")
        return
    options, kind, rest = split(words)
    if not rest:
        sys.exit(USAGE.rstrip())
    if options:  # an interpreter reads its options when it starts
        ours = sys.orig_argv[1 : len(sys.orig_argv) - len(words)]
        os.execv(sys.executable, [sys.executable, *options, *ours, *kind, *rest])
    search = os.environ.get("ESPNET_MTLA_SEARCH", "fast")
    if search not in SEARCHES:
        raise InputError(f"ESPNET_MTLA_SEARCH={search}: give fast or espnet")
    hook.install()
    if kind == ["-m"]:
        _run_module(rest[0], rest[1:], search)
    elif kind == ["-c"]:
        _run_code(rest[0], "<string>", ["-c", *rest[1:]])
    elif rest[0] == "-":
        _run_code(sys.stdin.buffer.read(), "<stdin>", rest, __file__="<stdin>")
    else:
        _run_file(rest)


def split(words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Split a command line of Python.

    Returns:
        Options of the interpreter; ``["-m"]``, ``["-c"]`` or nothing; and the rest, which
        begins with the module, the code, or a file or ``-``. All are empty without words.

    Raises:
        InputError: an option that Python does not have, or lacks its value.
    """
    options: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        found = OPTIONS.fullmatch(word)
        if found is None:
            raise InputError(f"{word}: no option of python -m espnet_mtla; see --help")
        letters, last, value = found.groups()
        if last and not (value or rest):
            raise InputError(f"-{last} needs something behind it; see --help")
        if letters:
            options.append(f"-{letters}")
        if last:
            value = value or rest.pop(0)
        if last in ("c", "m"):
            return options, [f"-{last}"], [value, *rest]
        if last:
            options.append(f"-{last}{value}")
    return options, [], rest


def _run_module(name: str, args: list[str], search: str) -> None:
    try:
        spec = find_spec(name)
    except ModuleNotFoundError as e:
        raise InputError(str(e)) from None
    if spec is None:
        raise InputError(f"No module named {name!r}")
    sys.argv = [spec.origin or name, *args]
    task, what = COMMANDS.get(name, ("", ""))
    # The modules below take many seconds to import
    if what == "train":
        from espnet_mtla.tasks import task_class

        task_class(task).main(cmd=args)
    elif what == "inference" and search == "fast":
        from espnet_mtla.search.decoding import inference

        inference(task, without_batch_size_1(args))
    else:
        runpy.run_module(name, run_name="__main__", alter_sys=True)


def without_batch_size_1(args: Sequence[str]) -> list[str]:
    """Drop ``--batch_size 1`` of a decoding: ESPnet's scripts give it unasked."""
    from espnet_mtla.config import take_option

    sizes, rest = take_option("batch_size", args)
    if sizes[-1:] != ["1"]:
        return list(args)
    # no logger is set up yet
    print(
        "--batch_size 1 is what ESPnet's scripts give; --batch_frames bounds batches here "
        "(ESPNET_MTLA_SEARCH=espnet decodes as ESPnet)",
        file=sys.stderr,
    )
    return rest


def _run_file(argv: list[str]) -> None:
    path = os.path.abspath(argv[0])
    if not os.path.isfile(path):
        raise InputError(f"{argv[0]}: no such file")
    with open(path, "rb") as f:
        code = f.read()
    _run_code(code, path, argv, os.path.dirname(os.path.realpath(path)), __file__=path)


def _run_code(
    code: str | bytes, name: str, argv: list[str], folder: str = "", **known: str
) -> None:
    """Run code as the main module.

    Args:
        code: of Python.
        name: of it, for tracebacks.
        argv: becomes ``sys.argv``.
        folder: where Python looks first; ``python -m`` had it look in the current one.
        known: variables of the module.
    """
    sys.argv = argv
    if not sys.flags.safe_path:
        sys.path[0] = folder
    main = sys.modules["__main__"] = ModuleType("__main__")
    vars(main).update(known)
    exec(compile(code, name, "exec", dont_inherit=True), vars(main))  # noqa: S102
