"""A recipe's options, checked, and what the machine decides on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.declared import Recipe, has_mini
from espnet_mtla.recipe.options import BRACES, Options, one_of


def check(recipe: Recipe, options: Options, started_in: str, path: str) -> None:
    """Refuse, before any work, all that can be refused; paths change to what is there.

    It is called in the recipe's folder.

    Args:
        recipe: whose options they are.
        options: read already.
        started_in: where the user is.
        path: where commands are looked for.

    Raises:
        InputError: an option that cannot be used.
    """
    corpus, mini = recipe.corpus, options.is_true("mini")
    for name in ("train_set", "valid_set", "tgt_lang", f"{recipe.task.name}_config"):
        if name in options and not options[name]:
            raise InputError(f"--{name}: give one, this recipe has no default")
    if not options["inference_config"]:
        raise InputError("--inference_config: give one, this recipe has no default")
    reader = Path(__file__).parents[1] / f"bin/prepare_{corpus}.py"
    if not reader.exists():
        raise InputError(
            f"there is no {reader}, which reads the corpus (CONTRIBUTING.md)"
        )
    for name in BRACES.findall(" ".join([*recipe.reader, recipe.units])):
        one_of("this recipe names an option in braces that is none,", name, [*options])
    if not options[corpus] and not mini and wanted(options, 1):
        small = "--mini true for a small synthetic one, or " if has_mini(corpus) else ""
        raise InputError(f"which corpus? give {small}--{corpus} PATH for the real one")
    if options[corpus] and mini:
        raise InputError(f"give either --mini true or --{corpus}, not both")
    if mini and not has_mini(corpus):
        raise InputError(
            f"--mini true: {corpus} has no small one: give --{corpus} PATH"
        )
    if mini and options.is_true("paper"):
        raise InputError("--paper true is of the real corpus: leave out --mini")
    for name in ("datadir", "dumpdir", "expdir"):
        if not options[name]:
            raise InputError(f"--{name}: name a folder")
    for name in options.declared:
        if name.endswith("_tag") and "/" in options[name]:
            raise InputError(f"--{name} {options[name]}: a name has no /")
    if options.is_true("pretrain_asr"):
        if options["pretrained_asr"]:
            paper = (
                " (which is part of --paper true)" if options.is_true("paper") else ""
            )
            raise InputError(
                f"give either --pretrain_asr true{paper} or --pretrained_asr, not both"
            )
        if not options["asr_config"]:
            raise InputError("--pretrain_asr true: give --asr_config too")
    for name, option in options.declared.items():
        if option.kind == "path" and options[name]:
            options.values[name] = found_path(options, name, started_in, path)
    if int(options["stage"]) > int(options["stop_stage"]):
        raise InputError(
            f"nothing to do: --stage {options['stage']} comes after --stop_stage "
            f"{options['stop_stage']}"
        )
    decoders = sorted(p.stem for p in Path("../../../conf/decoder").glob("*.yaml"))
    one_of("no decoder", options["decoder"], decoders)
    for argument in options.words("decoder_args"):
        if not re.fullmatch(r"[a-z_]+=.+", argument):
            raise InputError(f"--decoder_args: '{argument}' is not name=value")
    if mini and options.differs("tgt_lang"):
        language = options.default("tgt_lang")
        raise InputError(
            f"--tgt_lang {options['tgt_lang']}: the mini corpus has {language} alone"
        )
    _check_language_model(options)
    for factor in options.words("speed_perturb_factors"):
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", factor):
            raise InputError(f"--speed_perturb_factors: '{factor}' is not a number")
    if not options.words("test_sets"):
        raise InputError("--test_sets: name at least one")


def found_path(options: Options, name: str, started_in: str, path: str) -> str:
    """Find a file or folder: from where the user is, or, as ESPnet's, from here.

    Raises:
        InputError: it is nowhere.
    """
    place = options[name]
    elsewhere = os.path.join(started_in, place)
    given = name in options.given
    if given and not os.path.isabs(place) and os.path.exists(elsewhere):
        place = elsewhere
    if name == "python":
        found = shutil.which(place, path=path)
        if not found:
            raise InputError(f"--python: cannot run {options[name]}")
        place = found
    if not os.path.exists(place):
        raise InputError(f"--{name}: no such file or folder: {place}")
    default = options.default(name)
    # the default, written in another way, is no other file
    if os.path.exists(default) and os.path.samefile(place, default):
        place = default
    return place


def _check_language_model(options: Options) -> None:
    """``lm_weight`` counts with a language model alone: any decoding may have it."""
    if not options.is_true("use_lm") or not wanted(options, 12):
        return
    said = Path(options["inference_config"]).read_text(encoding="utf-8")
    found = re.findall(r"^lm_weight: *([0-9.]*)", said, flags=re.MULTILINE)
    found += re.findall(r"--lm_weight[= \n]+([0-9.]+)", options["inference_args"])
    if found and re.fullmatch(r"[0.]+", found[-1]):
        raise InputError(
            "--use_lm true, but decoding gives it no weight: add --inference_args "
            '"--lm_weight 0.3"'
        )


def wanted(options: Options, stage: int) -> bool:
    """Whether a stage is between ``--stage`` and ``--stop_stage``, and not skipped."""
    skip = "data_prep" if stage <= 5 else "eval" if stage >= 12 else "train"
    between = int(options["stage"]) <= stage <= int(options["stop_stage"])
    return between and not options.is_true(f"skip_{skip}")


def settle_machine(options: Options, environment: Mapping[str, str]) -> None:
    """Set what the machine decides on where a user did not."""
    values = options.values
    if not values["ngpu"]:
        smi = shutil.which("nvidia-smi", path=environment.get("PATH"))
        found = (
            smi
            and not subprocess.run(
                [smi, "-L"], capture_output=True, check=False
            ).returncode
        )
        values["ngpu"] = "1" if found else "0"
    if not values["gpu_inference"]:
        values["gpu_inference"] = "true" if int(values["ngpu"]) else "false"
    cores = str(_cores())
    values["nj"] = values["nj"] or cores
    threads = environment.get("OMP_NUM_THREADS") or cores
    values["num_threads"] = values["num_threads"] or threads


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
