"""All tables: trains, decodes and compares every variant of the chosen recipes.

egs2/reproduce.sh calls it and says how it is used.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.declared import table
from espnet_mtla.recipe.options import HelpAsked, Options, one_of
from espnet_mtla.recipe.process import Child, Stopped, heed_signals

OPTIONS = """
mini  bool  false  make and use small synthetic corpora
corpora  text  -  file that says where the real corpora are, a line "name path" each
recipes  text  must_c/st1 xsum/sum1 ami/asr1 slurp/slu1  recipes
decoders  text  mha mqa gqa mla mtla mtla:temporal_stride=3 mtla:temporal_stride=4 transformer  \
decoders, with options as in mha:context=cross or mla:q_lora_rank=64,kv_lora_rank=128
seeds  text  1  seeds of training, as in "1 2 3": the tables have mean and spread of the scores
run_args  text  -  further options of every run.sh, as in "--ngpu 4 --nj 16"; \
no value of theirs can hold spaces
"""


class Reproduction:
    """Runs of recipes, one behind the other.

    Args:
        egs2: folder of the recipes.
        argv: options.

    Raises:
        InputError: an option or a line of a file that cannot be used.
        HelpAsked: for ``--help``.
    """

    def __init__(self, egs2: Path, argv: Sequence[str]):
        self.egs2 = egs2
        self.options = Options(table(OPTIONS))
        self.options.read(argv)
        self.mini = self.options.is_true("mini")
        self.failed: list[tuple[str, str]] = []
        self._check()

    def _check(self) -> None:
        """Refuse, before any work; what run.sh refuses itself comes later."""
        options = self.options
        if not self.mini and not options["corpora"]:
            raise InputError(
                "which corpora? give --mini true for small synthetic ones, or --corpora "
                "FILE for the real ones"
            )
        if self.mini and options["corpora"]:
            raise InputError("give either --mini true or --corpora, not both")
        self.recipes = options.words("recipes")
        self.decoders = options.words("decoders")
        self.seeds = options.words("seeds")
        self.run_args = options.words("run_args")
        if not (self.recipes and self.decoders and self.seeds):
            raise InputError("--recipes, --decoders and --seeds: name at least one")
        for seed in self.seeds:
            if not re.fullmatch(r"0|[1-9][0-9]*", seed):
                raise InputError(f"--seeds: '{seed}' is no whole number")
        known = sorted(
            run.parent.relative_to(self.egs2).as_posix()
            for run in self.egs2.glob("*/*/run.sh")
        )
        corpora = list(dict.fromkeys(name.partition("/")[0] for name in known))
        for word in self.run_args:
            name = word.partition("=")[0]
            if name == "--expdir":
                raise InputError(
                    "--run_args: leave out --expdir: tables are looked for in the "
                    "recipes' exp"
                )
            if name == "--seed":
                raise InputError("--run_args: give --seeds in the place of --seed")
            own = (
                "--decoder",
                "--decoder_args",
                "--mini",
                *(f"--{c}" for c in corpora),
            )
            # one name for all decoders would put each of them aside for the next
            if name in own or re.fullmatch(r"--(asr|st|slu|mt)_tag", name):
                raise InputError(
                    f"--run_args: leave out {name}: reproduce.sh gives it itself"
                )
        for recipe in self.recipes:
            one_of("--recipes: no recipe", recipe, known)
        conf = self.egs2.parent / "conf/decoder"
        decoders = sorted(path.stem for path in conf.glob("*.yaml"))
        for decoder in self.decoders:
            one_of("--decoders: no decoder", decoder.partition(":")[0], decoders)
        if self.mini:
            return
        self.corpora = read_corpora(options["corpora"], corpora)
        for recipe in self.recipes:
            corpus = recipe.partition("/")[0]
            if corpus not in self.corpora:
                raise InputError(
                    f"--corpora: {options['corpora']} has no line for {corpus}, which "
                    f"{recipe} needs"
                )

    def run(self) -> None:
        """Run every decoder with every seed, and print the tables.

        Raises:
            InputError: a run refused its options, before the first; or runs failed,
                said when all others are done.
        """
        if not any(word.startswith("--python") for word in self.run_args):
            install = self.egs2.parent / "tools/install.sh"
            if install.exists() and Child([install], stdout=subprocess.DEVNULL).wait():
                raise InputError("the Python environment could not be made, see above")
        for recipe in self.recipes:
            for decoder in self.decoders:
                words = self._words(recipe, decoder, self.seeds[0])
                words += ["--dry_run", "true"]
                if Child(words, whole=False, stdout=subprocess.DEVNULL).wait():
                    raise InputError(f"{recipe} {decoder}: refused; nothing was run")
        for recipe in self.recipes:
            # all decoders with one seed come before the next seed, so that what was
            # stopped can be compared
            for seed in self.seeds:
                for decoder in self.decoders:
                    self._run_one(recipe, decoder, seed)
        for recipe in self.recipes:
            self._print_table(recipe)
        if self.failed:
            names = "".join(f" {recipe} {what};" for recipe, what in self.failed)
            raise InputError(f"failed:{names} the same command tries them again")

    def _words(self, recipe: str, decoder: str, seed: str) -> list[str | Path]:
        """Return the command of one run."""
        name, _, conf = decoder.partition(":")
        args = ["--mini", "true"]
        if not self.mini:
            corpus = recipe.partition("/")[0]
            args = ["--paper", "true", f"--{corpus}", self.corpora[corpus]]
        args += ["--decoder", name]
        if conf:
            args += ["--decoder_args", conf.replace(",", " ")]
        run = self.egs2 / recipe / "run.sh"
        return [run, *args, "--seed", seed, *self.run_args]

    def _run_one(self, recipe: str, decoder: str, seed: str) -> None:
        """One that fails is no reason not to try the others."""
        what = f"{decoder}, seed {seed}"
        print(f"== {recipe} {what}", flush=True)
        if Child(self._words(recipe, decoder, seed), whole=False).wait():
            self.failed.append((recipe, what))

    def _print_table(self, recipe: str) -> None:
        name = "exp/mini/RESULTS.md" if self.mini else "exp/RESULTS.md"
        results = self.egs2 / recipe / name
        print(f"== {recipe}: {results}")
        for of, what in self.failed:
            if of == recipe:
                print(
                    f"failed now, its row is of an earlier run, if it has one: {what}"
                )
        there = results.exists()
        print(results.read_text("utf-8") if there else "no table yet\n", end="")
        sys.stdout.flush()

    def end(self) -> None:
        """Say how to go on."""
        stages = [word.partition("=")[0] == "--stage" for word in self.run_args]
        again = ", and does --stage again" if any(stages) else ""
        print(
            f"reproduce.sh: interrupted; the same command goes on{again}",
            file=sys.stderr,
        )


def read_corpora(name: str, known: Sequence[str]) -> dict[str, str]:
    """Read where corpora are, lines ``name path``.

    Args:
        name: of the file.
        known: corpora that recipes have.

    Raises:
        InputError: naming the file, the line and what is wrong with it.
    """
    path = Path(name)
    if not path.is_file():
        raise InputError(f"--corpora: no such file: {name}")
    found: dict[str, str] = {}
    lines = path.read_text("utf-8", "surrogateescape").replace("\r", "").split("\n")
    for number, line in enumerate(lines, 1):
        corpus, *rest = line.strip().split(None, 1) or [""]
        place = rest[0] if rest else ""
        if not corpus or corpus.startswith("#"):
            continue
        if not place:
            raise InputError(
                f"{name}:{number}: '{corpus}' has no path: write \"name path\""
            )
        one_of(f"{name}:{number}: no corpus", corpus, known)
        if corpus in found:
            raise InputError(f"{name}:{number}: {corpus} occurs a second time")
        if not os.path.exists(place):
            raise InputError(f"{name}:{number}: no such file or folder: {place}")
        found[corpus] = place
    return found


def main(argv: Sequence[str]) -> None:
    """Run all, in the folder of recipes that comes first, with the options behind it."""
    try:
        reproduction = Reproduction(Path(argv[0]), argv[1:])
        heed_signals()
        try:
            reproduction.run()
        except Stopped as e:
            reproduction.end()
            number = e.args[0]
            sys.exit(130 if number == signal.SIGINT else 143)
    except HelpAsked:
        print("Usage: reproduce.sh --mini true | --corpora FILE [--name value ...]")
        print(Options(table(OPTIONS)).explained())
    except InputError as e:
        sys.exit(f"reproduce.sh: {e}")


if __name__ == "__main__":
    main(sys.argv[1:])
