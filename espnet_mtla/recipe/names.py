"""Names of a recipe's folders, and the words of its commands: what its stages read."""

from __future__ import annotations

from pathlib import Path

from espnet_mtla.recipe.declared import Recipe
from espnet_mtla.recipe.folders import (
    part,
    readable,
    short_enough,
    tidy,
    without_search,
)
from espnet_mtla.recipe.options import Options
from espnet_mtla.recipe.settings import wanted

TOLD_APART = (
    *("size", "tgt_lang", "train_set", "local_data_opts", "nbpe", "src_nbpe"),
    *("tgt_nbpe", "bpemode", "max_units", "entities", "feats_normalize"),
    *("speed_perturb_factors", "seed"),
)
"""Options whose values stand in an experiment's name where they are not the default."""
OF_RECOGNISER = (
    *("size", "tgt_lang", "train_set", "local_data_opts", "src_nbpe", "bpemode"),
    *("feats_normalize", "speed_perturb_factors", "seed"),
)
"""Likewise, in the name of one that pretraining trains."""
NO_NFKC = ("ja", "zh")
"""Languages whose punctuation it would make Latin, also in what is decoded."""


class Names:
    """What the stages of a recipe read besides its options.

    Args:
        recipe: whose they are.
        options: checked and settled; the training set gets another name where its
            speech is perturbed.

    Raises:
        InputError: a name too long for a folder.
    """

    def __init__(self, recipe: Recipe, options: Options):
        self.recipe, self.options, self.task = recipe, options, recipe.task
        self.unperturbed = options["train_set"]
        self.raw = f"{options['dumpdir']}/raw"
        if not self.task.hears:  # articles are cut by units
            self.raw += self._differing("size", "nbpe", "bpemode", "max_units")
        self._differs = self._differing(*TOLD_APART)
        self._settle_texts()
        self.factors = options.words("speed_perturb_factors")
        if self.factors:
            options.values["train_set"] += "_sp"
        self._settle_corpus()
        self._settle_training()
        self._settle_decoding(self._settle_language_model())
        self._settle_check()

    def _differing(self, *names: str) -> str:
        """Return, as part of a name, what options have another value than the default.

        What they tell apart stands beside each other.
        """
        given = [name for name in names if self.options.differs(name)]
        return "".join(f"_{name}{tidy(self.options[name])}" for name in given)

    def _settle_texts(self) -> None:
        """Say which texts there are, and where their units lie.

        ``vocabularies`` are the texts whose units are made; others share a folder with
        one of them.
        """
        options, texts = self.options, dict(self.task.texts)
        for option, others in self.task.texts_if.items():
            if options.is_true(option):
                texts.update(others)
        suffix = self._differing("train_set", "local_data_opts")
        of, self.texts = options.resolved, list(texts)
        self.text_file = {name: of(text.file) for name, text in texts.items()}
        self.nbpe = {name: of(text.nbpe) for name, text in texts.items()}
        self._prefix = {name: text.prefix for name, text in texts.items()}
        self.units = {
            name: readable(of(self.recipe.units or text.units) + suffix)
            for name, text in texts.items()
        }
        folders = list(self.units.values())
        self.vocabularies = [
            name for i, name in enumerate(texts) if self.units[name] not in folders[:i]
        ]
        self.normalization = {
            name: "identity"
            for name, text in texts.items()
            if "{tgt_lang}" in text.file and options["tgt_lang"] in NO_NFKC
        }

    def _settle_corpus(self) -> None:
        options, recipe = self.options, self.recipe
        language = options.values.get("tgt_lang")
        self.prepared = "1" + (f".{language}" if language is not None else "")
        downloads = f"{options['datadir']}/downloads/{recipe.folder}"
        self.corpus_dir = options[recipe.corpus] or downloads
        self.reader_opts = [options.resolved(word) for word in recipe.reader]
        self.reader_opts += options.words("local_data_opts")
        self.test_sets = options.words("test_sets")
        trained = [options["train_set"], options["valid_set"]]
        self.sets = list(dict.fromkeys(trained + self.test_sets))
        self.speech = ["wav.scp,speech,sound"] if self.task.hears else []
        decoded = self.task.decodes
        self.input = (self.speech or [f"{decoded},{decoded},text"])[0]
        # which say how long everything is, and so how much fits into a batch
        self._shapes = ["utt2num_samples"]
        if not self.task.hears:
            self._shapes = ["src_text_shape", "text_shape"]

    def _data(self, texts: dict[str, str]) -> tuple[list[str], list[str]]:
        """Return the words with which a training is told its data, and the files.

        Args:
            texts: ESPnet's name in this training of each text.
        """
        args, reads = [], []
        for name, called in texts.items():
            prefix = self._prefix[name] if called == name else ""
            units = self.units[name]
            args += [f"--{prefix}token_list", f"{units}/tokens.txt"]
            args += [f"--{prefix}bpemodel", f"{units}/bpe.model"]
            args += [f"--{prefix}token_type", "bpe"]
            reads += [f"{units}/tokens.txt", f"{units}/bpe.model"]
        for which in ("train", "valid"):
            folder = f"{self.raw}/{self.options[f'{which}_set']}"
            data = list(self.speech)
            shapes = [f"{folder}/{file}" for file in self._shapes]
            named = [f"{self.text_file[t]},{as_},text" for t, as_ in texts.items()]
            to = f"--{which}_data_path_and_name_and_type"
            args += [w for d in data for w in (to, f"{folder}/{d}")]
            args += [w for s in shapes for w in (f"--{which}_shape_file", s)]
            args += [w for n in named for w in (to, f"{folder}/{n}")]
            reads += [f"{folder}/{d.split(',')[0]}" for d in (*data, *named)] + shapes
        if self.task.hears:
            args += ["--normalize", self.options["feats_normalize"]]
            args += ["--frontend_conf", f"fs={self.options['fs']}"]
        return args, reads

    def _settle_training(self) -> None:
        options, task = self.options, self.task.name
        expdir = options["expdir"]
        self.decoder_config = f"../../../conf/decoder/{options['decoder']}.yaml"
        decoder_args = options.words("decoder_args")
        self.decoder_conf = [
            w for each in decoder_args for w in ("--decoder_conf", each)
        ]
        self.train_args = options.words(f"{task}_args")
        self.several_gpus: list[str] = []
        if int(options["ngpu"]) > 1:
            self.several_gpus = ["--multiprocessing_distributed", "true"]
        self.pretrained: list[str] = []
        self.pretraining = ""
        if options.is_true("pretrain_asr"):
            own = [
                *OF_RECOGNISER,
                *(["nbpe"] if "src_nbpe" not in options.given else []),
            ]
            tag = self._differing(*own)
            if options.differs("asr_config"):
                tag += (
                    f"_{tidy(Path(options['asr_config']).name.removesuffix('.yaml'))}"
                )
            self.pretraining = readable(f"{expdir}/asr_pretraining{tag}")
            options.values["pretrained_asr"] = f"{self.pretraining}/valid.acc.ave.pth"
            # the speech's transcripts are its text
            self.asr_data, self.asr_reads = self._data({"src_text": "text"})
        self.data, self.data_reads = self._data({text: text for text in self.texts})
        encoder = options.values.get("pretrained_asr")
        if encoder:
            self.data_reads.append(encoder)
            self.pretrained = ["--init_param", f"{encoder}:encoder:encoder"]
            self.pretrained += self.task.pretrained_args
        tag = tidy(
            Path(options[f"{task}_config"]).name.removesuffix(".yaml"),
            options["decoder"],
        )
        tag += part(decoder_args) + part(self.train_args)
        tag += self._differs + ("_pretrained" if encoder else "")
        given = options[f"{task}_tag"]
        self.experiment = f"{expdir}/{task}_{given}"
        if not given:
            self.experiment = readable(f"{expdir}/{task}_{tag}")
        short_enough(self.experiment, f"{task}_tag")

    def _settle_decoding(self, fused: str) -> None:
        """Name what comes of decoding; ``fused`` is the language model's part of it."""
        options, task = self.options, self.task
        model = self.model = options[f"inference_{task.name}_model"]
        option = f"inference_{task.name}_model"
        self.chosen_model = option if option in options.given else ""
        self.inference_ngpu = str(int(options.is_true("gpu_inference")))
        self.inference_args = options.words("inference_args")
        self.batch_args: list[str] = []
        if options["batch_size"]:
            self.batch_args = ["--batch_size", options["batch_size"]]
        tag = tidy(Path(options["inference_config"]).name.removesuffix(".yaml"))
        others, search = without_search(self.inference_args)
        tag += part(self.batch_args) + part(others)
        tag += f"{fused}_{task.name}_model_{model.removesuffix('.pth')}"
        given = options["inference_tag"]
        self.decoding = f"{self.experiment}/{given}"
        if not given:
            # behind a name that is cut: tables have a model's searches side by side
            self.decoding = readable(f"{self.experiment}/{tag}") + search
        short_enough(self.decoding, "inference_tag")
        self.scorer, self.score_dir = task.scorer, task.score_dir
        units = self.units["text"]
        self.score_args = [
            options.resolved(word.replace("{units}", units)) for word in task.score_args
        ]

    def _settle_language_model(self) -> str:
        """Name its folders; its part of the decoding's name."""
        options = self.options
        self.lm, self.lm_model, self.lm_stats = "", "", ""
        self.lm_args, self.fusion = options.words("lm_args"), []
        self.fused_model: list[str] = []
        self.lm_train: list[str] = []
        self.lm_valid: list[str] = []
        self.lm_reads: list[str] = []
        if not options.is_true("use_lm"):
            return ""
        of = Path(self.units["text"]).name + self._differing("tgt_lang")
        if options["lm_train_text"]:
            of += f"_{tidy(Path(options['lm_train_text']).name)}"
        self.lm_stats = readable(f"{options['expdir']}/lm_stats_{of}")
        config = Path(options["lm_config"]).name.removesuffix(".yaml")
        lm = f"{tidy(config)}{part(self.lm_args)}_{of}"
        if options["seed"] != options.default("seed"):
            lm += f"_seed{options['seed']}"
        tag = options["lm_tag"]
        lm = f"{options['expdir']}/lm_{tag or lm}"
        lm = lm if tag else readable(lm)
        self.lm = lm
        self.lm_model = f"{lm}/{options['inference_lm']}"
        short_enough(lm, "lm_tag")
        self.fusion = ["--lm_train_config", f"{lm}/config.yaml"]
        self.fusion += ["--lm_file", self.lm_model]
        self.fused_model = ["inference_lm", lm, options["inference_lm"]]
        file = self.text_file["text"]
        # not the perturbed set, which repeats its texts
        train = f"{options['datadir']}/{self.unperturbed}/{file}"
        valid = f"{options['datadir']}/{options['valid_set']}/{file}"
        self.lm_train, self.lm_valid = ["--text", train], ["--text", valid]
        if options["lm_train_text"]:
            self.lm_train += ["--lines", options["lm_train_text"]]
        if options["lm_dev_text"]:
            self.lm_valid = ["--lines", options["lm_dev_text"]]
        given = [*self.lm_train, *self.lm_valid]
        self.lm_reads = [word for word in given if not word.startswith("--")]
        return f"_{Path(lm).name}_{options['inference_lm'].removesuffix('.pth')}"

    def _settle_check(self) -> None:
        """Say what training and decoding would refuse only after hours of preparation."""
        options, task = self.options, self.task.name
        self.check_args: list[str] = []
        if not (wanted(options, 11) or wanted(options, 12)):
            return
        self.check_args = ["--task", task, "--config", options[f"{task}_config"]]
        self.check_args += ["--config", self.decoder_config]
        if "--tgt_lang" in self.task.score_args:
            self.check_args += ["--tgt_lang", options["tgt_lang"]]
        if self.pretraining and wanted(options, 11):
            self.check_args += ["--asr_config", options["asr_config"]]
            self.check_args += ["--asr_config", "../../../conf/decoder/mtla.yaml"]
        self.check_args += [
            f"--train_args={options[f'{task}_args']}",
            *("--inference_config", options["inference_config"]),
            f"--inference_args={options['inference_args']}",
        ]
        if options.is_true("use_lm"):
            self.check_args += ["--lm_config", options["lm_config"]]
            self.check_args += [f"--lm_args={options['lm_args']}"]
        self.check_args += self.decoder_conf
        # seconds that a run with a finished or begun training need not wait
        if wanted(options, 11) and not Path(self.experiment, "config.yaml").exists():
            self.check_args += ["--build"]
