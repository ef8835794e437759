"""What follows from a recipe's options: checks, names, folders, and what tasks differ in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.options import Options, one_of
from espnet_mtla.recipe.tasks import describe

LONGEST = 230
"""Bytes of a folder's name that a file system takes, with a date behind it too."""


class Settings:
    """All that the stages of a recipe read.

    It is made in the recipe's folder.

    Args:
        options: read already; their values change to what they stand for.
        task: ESPnet's.
        corpus: the recipe's.
        folder: the corpus's folder on a disk.
        started_in: where the user is.
        environment: the process's.

    Raises:
        InputError: an option that cannot be used.
    """

    def __init__(
        self,
        options: Options,
        task: str,
        corpus: str,
        folder: str,
        started_in: str,
        environment: Mapping[str, str],
    ):
        self.options, self.task, self.corpus = options, task, corpus
        self.started_in, self.environment = started_in, environment
        self.names: dict[str, str | list[str] | dict[str, str]] = {}
        self._check()
        self.names.update(describe(task, options))
        self._settle(folder)

    def _check(self) -> None:
        """Refuse, before any work, all that can be refused."""
        options, corpus = self.options, self.corpus
        mini = options.is_true("mini")
        if not options[corpus] and not mini:
            raise InputError(
                "which corpus? give --mini true for a small synthetic one, or "
                f"--{corpus} PATH for the real one"
            )
        if options[corpus] and mini:
            raise InputError(f"give either --mini true or --{corpus}, not both")
        if options.is_true("pretrain_asr") and options["pretrained_asr"]:
            raise InputError(
                "give either --pretrain_asr true or --pretrained_asr, not both"
            )
        for name, option in options.declared.items():
            if option.kind == "path" and options[name]:
                options.values[name] = self._path(name)
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
        if mini and options.values.get("tgt_lang", "de") != "de":
            raise InputError(
                f"--tgt_lang {options['tgt_lang']}: the mini corpus is English to German"
            )
        self._check_language_model()
        for factor in options.words("speed_perturb_factors"):
            if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", factor):
                raise InputError(f"--speed_perturb_factors: '{factor}' is not a number")
        if not options.words("test_sets"):
            raise InputError("--test_sets: name at least one")

    def _path(self, name: str) -> str:
        """Find a file or folder: from where the user is, or, as ESPnet's, from here."""
        path = self.options[name]
        elsewhere = os.path.join(self.started_in, path)
        given = name in self.options.given
        if given and not os.path.isabs(path) and os.path.exists(elsewhere):
            path = elsewhere
        if name == "python":
            found = shutil.which(path, path=self.environment.get("PATH"))
            if not found:
                raise InputError(f"--python: cannot run {self.options[name]}")
            path = found
        if not os.path.exists(path):
            raise InputError(f"--{name}: no such file or folder: {path}")
        default = self.options.default(name)
        # the default, written in another way, is no other file
        if os.path.exists(default) and os.path.samefile(path, default):
            path = default
        return path

    def _check_language_model(self) -> None:
        """``lm_weight`` counts with a language model alone: any decoding may have it."""
        options = self.options
        if not options.is_true("use_lm") or not self.wanted(12):
            return
        said = Path(options["inference_config"]).read_text(encoding="utf-8")
        found = re.findall(r"^lm_weight: *([0-9.]*)", said, flags=re.MULTILINE)
        found += re.findall(r"--lm_weight[= \n]+([0-9.]+)", options["inference_args"])
        if found and re.fullmatch(r"[0.]+", found[-1]):
            raise InputError(
                "--use_lm true, but decoding gives it no weight: add --inference_args "
                '"--lm_weight 0.3"'
            )

    def wanted(self, stage: int) -> bool:
        """Whether a stage is between ``--stage`` and ``--stop_stage``, and not skipped."""
        skip = "data_prep" if stage <= 5 else "eval" if stage >= 12 else "train"
        between = int(self.options["stage"]) <= stage <= int(self.options["stop_stage"])
        return between and not self.options.is_true(f"skip_{skip}")

    def differing(self, *names: str) -> str:
        """Return, as part of a name, what options have another value than the default.

        What they tell apart stands beside each other.
        """
        given = [name for name in names if self.options.differs(name)]
        return "".join(f"_{name}{tidy(self.options[name])}" for name in given)

    def _settle(self, folder: str) -> None:
        """Say what depends on the machine, and where things go."""
        options, task, names = self.options, self.task, self.names
        differs = self.differing(
            *("tgt_lang", "train_set", "local_data_opts", "nbpe", "src_nbpe"),
            *("tgt_nbpe", "bpemode", "max_units", "entities", "feats_normalize"),
            *("speed_perturb_factors", "seed"),
        )
        suffix = self.differing("train_set", "local_data_opts")
        names["units"] = {text: u + suffix for text, u in names["units"].items()}
        if task == "asr":
            names["score_args"] = ["--bpemodel", f"{names['units']['text']}/bpe.model"]
        language = options.values.get("tgt_lang")
        names["prepared"] = "1" + (f".{language}" if language is not None else "")
        names["unperturbed"] = options["train_set"]
        names["factors"] = options.words("speed_perturb_factors")
        if names["factors"]:
            options.values["train_set"] += "_sp"
        for words in ("test_sets", "inference_args", "local_data_opts", "decoder_args"):
            names[words] = options.words(words)
        names["train_args"] = options.words(f"{task}_args")
        names["decoder_config"] = f"../../../conf/decoder/{options['decoder']}.yaml"
        names["decoder_conf"] = [
            word
            for given in names["decoder_args"]
            for word in ("--decoder_conf", given)
        ]
        names["batch_args"] = []
        if options["batch_size"]:
            names["batch_args"] = ["--batch_size", options["batch_size"]]
        self._settle_machine()
        downloads = f"{options['datadir']}/downloads/{folder}"
        names["corpus_dir"] = options[self.corpus] or downloads
        names["raw"] = f"{options['dumpdir']}/raw"
        if options.is_true("pretrain_asr"):
            names["pretraining"] = f"pretraining{differs}"
            options.values["pretrained_asr"] = (
                f"{options['expdir']}/asr_pretraining{differs}/valid.acc.ave.pth"
            )
        tag = tidy(
            Path(options[f"{task}_config"]).name.removesuffix(".yaml"),
            options["decoder"],
            *names["decoder_args"],
            *names["train_args"],
        )
        tag += differs + ("_pretrained" if options.values.get("pretrained_asr") else "")
        tag = options[f"{task}_tag"] or tag
        names["experiment"] = f"{options['expdir']}/{task}_{tag}"
        model = names["model"] = options[f"inference_{task}_model"]
        tag = tidy(
            Path(options["inference_config"]).name.removesuffix(".yaml"),
            *names["batch_args"],
            *names["inference_args"],
        )
        tag += (
            f"{self._settle_language_model()}_{task}_model_{model.removesuffix('.pth')}"
        )
        tag = options["inference_tag"] or tag
        names["decoding"] = f"{names['experiment']}/{tag}"
        short_enough(names["experiment"], f"{task}_tag")
        short_enough(names["decoding"], "inference_tag")

    def _settle_machine(self) -> None:
        values = self.options.values
        if not values["ngpu"]:
            smi = shutil.which("nvidia-smi", path=self.environment.get("PATH"))
            found = (
                smi
                and not subprocess.run(
                    [smi, "-L"], capture_output=True, check=False
                ).returncode
            )
            values["ngpu"] = "1" if found else "0"
        if not values["gpu_inference"]:
            values["gpu_inference"] = "true" if int(values["ngpu"]) else "false"
        self.names["inference_ngpu"] = str(int(self.options.is_true("gpu_inference")))
        self.names["several_gpus"] = []
        if int(values["ngpu"]) > 1:
            self.names["several_gpus"] = ["--multiprocessing_distributed", "true"]
        cores = str(_cores())
        values["nj"] = values["nj"] or cores
        threads = self.environment.get("OMP_NUM_THREADS") or cores
        self.names["threads"] = values["num_threads"] or threads

    def _settle_language_model(self) -> str:
        """Name its folders; its part of the decoding's name."""
        options, names = self.options, self.names
        names.update(lm="", lm_model="", lm_stats="", lm_args=options.words("lm_args"))
        names.update(fusion=[], fused_model=[], lm_train=[], lm_valid=[], lm_reads=[])
        if not options.is_true("use_lm"):
            return ""
        of = Path(names["units"]["text"]).name + self.differing("tgt_lang")
        if options["lm_train_text"]:
            of += f"_{tidy(Path(options['lm_train_text']).name)}"
        names["lm_stats"] = f"{options['expdir']}/lm_stats_{of}"
        config = Path(options["lm_config"]).name.removesuffix(".yaml")
        lm = f"{tidy(config, *names['lm_args'])}_{of}"
        if options["seed"] != options.default("seed"):
            lm += f"_seed{options['seed']}"
        lm = names["lm"] = f"{options['expdir']}/lm_{options['lm_tag'] or lm}"
        names["lm_model"] = f"{lm}/{options['inference_lm']}"
        short_enough(lm, "lm_tag")
        names["fusion"] = ["--lm_train_config", f"{lm}/config.yaml"]
        names["fusion"] += ["--lm_file", names["lm_model"]]
        names["fused_model"] = ["inference_lm", lm, options["inference_lm"]]
        self._settle_texts()
        return f"_{Path(lm).name}_{options['inference_lm'].removesuffix('.pth')}"

    def _settle_texts(self) -> None:
        """Say what the language model is trained and validated on."""
        options, names = self.options, self.names
        file = names["text_file"]["text"]
        # not the perturbed set, which repeats its texts
        train = f"{options['datadir']}/{names['unperturbed']}/{file}"
        valid = f"{options['datadir']}/{options['valid_set']}/{file}"
        names["lm_train"], names["lm_valid"] = ["--text", train], ["--text", valid]
        if options["lm_train_text"]:
            names["lm_train"] += ["--lines", options["lm_train_text"]]
        if options["lm_dev_text"]:
            names["lm_valid"] = ["--lines", options["lm_dev_text"]]
        given = [*names["lm_train"], *names["lm_valid"]]
        names["lm_reads"] = [word for word in given if not word.startswith("--")]


def tidy(*words: str) -> str:
    """Return words as part of a file name."""
    joined = "_".join(words).replace("--", "").replace("=", "")
    return re.sub(r"[^A-Za-z0-9._\n-]", "_", joined)


def short_enough(folder: str, option: str) -> None:
    """Refuse a name that a file system does not take.

    Raises:
        InputError: naming the option that gives a shorter one.
    """
    size = len(os.fsencode(Path(folder).name))
    if size > LONGEST:
        raise InputError(
            f"a folder's name would have {size} bytes: give it a shorter one with "
            f"--{option}"
        )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
