"""Finds what was trained, decoded and scored under experiment directories."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from espnet_mtla.config import NOT_TRAINING
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_lines
from espnet_mtla.nearest import did_you_mean
from espnet_mtla.stock import STOCK, known
from espnet_mtla.task import TASKS
from espnet_mtla.variant import VARIANTS

SETTING = (
    *("beam_size", "batch_size", "batch_frames"),
    *("device", "threads", "dtype", "torch"),
)
FAST = "fast"
"""The search that decoding uses if ``--search`` names no other one."""


@dataclass(frozen=True)
class Trained:
    """One variant on one test set.

    Attributes:
        task: of :data:`espnet_mtla.task.TASKS`.
        corpus: the recipe's, as ``must_c``; empty where it is not known.
        decoder: as the configuration names it.
        label: ``mha``, ``mtla s=2``, ``mla kv_lora_rank=64, cross``, ``transformer,
            ESPnet's search``, ...; options that are not the variant's own are left to
            ``tag``.
        tag: experiment directory's name.
        decoding: inference directory's name, without the seed and the search in it.
        search: that it was decoded with: :data:`FAST`, or ``espnet``, ESPnet's own.
        test_set: name of the test set.
        scored: folder with the scorer's ``ref`` and ``hyp``.
        score: what the scorer wrote.
        cost: what ``efficiency.json`` holds.
        training: what must be equal for two variants to differ in their
            attention, and perhaps in their seed, alone.
        seed: of the training.
    """

    task: str
    corpus: str
    decoder: str
    label: str
    tag: str
    decoding: str
    search: str
    test_set: str
    scored: Path
    score: dict
    cost: dict
    training: str
    seed: int

    @property
    def setting(self) -> tuple:
        """What must be equal for scores, times and memory to be compared."""
        references = hashlib.sha256("\n".join(self.texts("ref")).encode()).hexdigest()
        where = (self.corpus, self.task, self.test_set, references, self.decoding)
        signature = self.score.get("signature")
        return (*where, signature, *(self.cost.get(k) for k in SETTING))

    def texts(self, name: str) -> list[str]:
        """Return the texts of ``ref`` or ``hyp``, one an utterance."""
        return read_lines(self.scored / name)


def label_of(config: dict) -> str:
    """Name a variant: its decoder, MTLA's temporal stride, what is not a default.

    That is options of its own and the context, as in ``mtla s=2 q_lora_rank=64,
    cross``.
    """
    name, conf = config.get("decoder") or "none", config.get("decoder_conf") or {}
    decoder = known(name)
    return decoder.label(conf) if decoder else name


def training_of(config: dict) -> str:
    """Describe a training without the decoder's variant and seed, to compare it by.

    That is all else of ``config.yaml`` but :data:`NOT_TRAINING`; of decoders that recipes
    know the options that they share, of others theirs. What it started from may be of the
    same seed.
    """
    conf = config.get("decoder_conf") or {}
    if decoder := known(config.get("decoder")):
        conf = decoder.shared(conf)
    rest = {k: v for k, v in config.items() if not k.startswith(NOT_TRAINING)}
    rest |= {"decoder": None, "decoder_conf": conf, "seed": None}
    if start := rest.get("init_param"):
        rest["init_param"] = [without_seed(path, config) for path in start]
    return json.dumps(rest, sort_keys=True)


def without_seed(name: str, config: dict) -> str:
    """Return a name that ``run.sh`` gave, without the seed of ``config`` in it."""
    return re.sub(rf"_seed{config.get('seed', 0)}(?!\d)", "", name)


def find_trained(paths: Iterable[Path], corpus: str | None = None) -> list[Trained]:
    """Collect every scored test set of experiments.

    Args:
        paths: each an experiment directory, a folder of them, or a recipe
            (whose ``exp`` and ``exp/mini`` are such folders).
        corpus: of all; found by the recipe's folder when None.

    Returns:
        Rows in the order ESPnet's transformer, MHA, MQA, GQA, MLA, MTLA by stride, others.

    Raises:
        InputError: a path is missing or nothing in it was scored yet, or a file
            is not JSON.
    """
    rows: dict[Path, Trained] = {}  # by folder: paths may overlap
    for path in paths:
        found = {
            row.scored: row
            for experiment in _experiments(Path(os.path.abspath(path)))
            for row in _scored(experiment, corpus)
        }
        if not found:
            raise InputError(f"{path}: nothing scored yet; run stages 11 to 13 first")
        rows |= found
    return sorted(rows.values(), key=_rank)


def _experiments(path: Path) -> list[Path]:
    if not path.is_dir():
        siblings = [p.name for p in path.parent.glob("*/")]
        raise InputError(f"{path}: no such folder{did_you_mean(path.name, siblings)}")
    if (path / "config.yaml").is_file():
        return [path]
    folders = [path]
    if (path / "run.sh").is_file():
        folders = [path / "exp", path / "exp/mini"]
    found = (p.parent for f in folders for p in f.glob("*/config.yaml"))
    return sorted(e for e in found if _task_of(e) in TASKS)


def _task_of(experiment: Path) -> str:
    return experiment.name.split("_")[0]


def _corpus_of(experiment: Path) -> str:
    """Name the corpus of the recipe around it: ``egs2/<corpus>/<recipe>/exp/...``."""
    recipes = (p for p in experiment.parents if (p / "run.sh").is_file())
    return next((p.parent.name for p in recipes), "")


def _scored(experiment: Path, corpus: str | None) -> Iterator[Trained]:
    task = _task_of(experiment)
    if task not in TASKS:
        known = ", ".join(f"{name}_..." for name in TASKS)
        raise InputError(f"{experiment}: experiments are called {known}: rename it")
    config = _config(experiment / "config.yaml")
    for result in experiment.glob(f"*/*/{TASKS[task].score_dir}/result.json"):
        folder = result.parent.parent
        efficiency = folder / "efficiency.json"
        if not efficiency.is_file():
            continue
        cost = _json(efficiency)
        search = cost.get("search", FAST)
        named = without_seed(folder.parent.name, config)  # a language model's
        yield Trained(
            task=task,
            corpus=_corpus_of(experiment) if corpus is None else corpus,
            decoder=config.get("decoder") or "none",
            label=label_of(config) + (", ESPnet's search" if search != FAST else ""),
            tag=experiment.name,
            decoding=named.removesuffix(f"_search_{search}"),
            search=search,
            test_set=folder.name,
            scored=result.parent,
            score=_json(result),
            cost=cost,
            training=training_of(config),
            seed=config.get("seed", 0),
        )


@cache
def _config(path: Path) -> dict:
    with open(path, encoding="utf-8") as f:
        return yaml.load(f, yaml.CSafeLoader)


def _rank(row: Trained) -> tuple:
    order = [*STOCK, *VARIANTS, row.decoder]
    return (order.index(row.decoder), row.label, row.seed, row.tag, str(row.scored))


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as e:
        raise InputError(f"{path}:{e.lineno}: not JSON; run its stage again") from None
