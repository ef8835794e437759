"""Finds what was trained, decoded and scored under an experiment directory."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from espnet_mtla.errors import InputError

SETTING = ("beam_size", "batch_size", "batch_frames", "device", "threads", "dtype")
SIZES = ("attention_heads", "linear_units", "num_blocks")
TRAINING = (
    *("frontend_conf", "encoder", "encoder_conf", "model_conf", "init_param", "seed"),
    *("token_list", "optim_conf", "scheduler_conf", "batch_bins", "max_epoch"),
)
ORDER = ("mha", "mqa", "gqa", "mla", "mtla")


class Measure(NamedTuple):
    """The quality that a task's table shows.

    Attributes:
        folder: where the task's scorer writes, under a decoded test set.
        key: its name in ``result.json``.
        name: of its column.
    """

    folder: str
    key: str
    name: str


MEASURES = {
    "asr": Measure("score_wer", "wer", "WER"),
    "st": Measure("score_bleu", "bleu", "BLEU"),
    "slu": Measure("score_slu", "intent", "intent %"),
    "mt": Measure("score_rouge", "rougeL", "ROUGE-L"),
}


@dataclass
class Trained:
    """One variant on one test set.

    Attributes:
        label: ``mha``, ``mtla s=2``, ...; options that are not the decoder's
            own are left to ``tag``.
        tag: experiment directory's name.
        decoding: inference directory's name.
        test_set: name of the test set.
        score: what the scorer wrote.
        cost: what ``efficiency.json`` holds.
        training: what must be equal for two variants to differ in their
            attention alone.
    """

    label: str
    tag: str
    decoding: str
    test_set: str
    score: dict
    cost: dict
    training: str

    @property
    def setting(self) -> tuple:
        """What must be equal for times and memory to be compared."""
        return (self.test_set, self.decoding, *(self.cost.get(k) for k in SETTING))


def label_of(config: dict) -> str:
    """Name a variant by its decoder and, for MTLA, its temporal stride."""
    decoder = config.get("decoder") or "none"
    if decoder != "mtla":
        return decoder
    return f"mtla s={(config.get('decoder_conf') or {}).get('temporal_stride', 2)}"


def training_of(config: dict) -> str:
    """Describe a training without the decoder's variant, to compare it by."""
    conf = config.get("decoder_conf") or {}
    sizes = {name: conf.get(name) for name in SIZES}
    return json.dumps([sizes, {name: config.get(name) for name in TRAINING}])


@cache
def _config(path: Path) -> dict:
    with open(path, encoding="utf-8") as f:
        return yaml.load(f, yaml.CSafeLoader)


def find_trained(expdir: Path, task: str) -> list[Trained]:
    """Collect every scored test set of every experiment of a task.

    Args:
        expdir: holds ``<task>_*/<decoding>/<test set>/``.
        task: of :data:`MEASURES`, and the prefix of the experiments' names.

    Returns:
        Rows in the order MHA, MQA, GQA, MLA, MTLA by stride, others.

    Raises:
        InputError: nothing was scored yet, or a file is not JSON.
    """
    rows = []
    pattern = f"{task}_*/*/*/{MEASURES[task].folder}/result.json"
    for result in sorted(expdir.glob(pattern)):
        folder = result.parent.parent
        config = folder.parent.parent / "config.yaml"
        efficiency = folder / "efficiency.json"
        if not (config.is_file() and efficiency.is_file()):
            continue
        rows.append(
            Trained(
                label=label_of(_config(config)),
                tag=config.parent.name,
                decoding=folder.parent.name,
                test_set=folder.name,
                score=_json(result),
                cost=_json(efficiency),
                training=training_of(_config(config)),
            )
        )
    if not rows:
        raise InputError(f"{expdir}: nothing scored yet; run stages 11 to 13 first")
    return sorted(rows, key=_rank)


def _rank(row: Trained) -> tuple:
    name = row.label.split()[0]
    return (ORDER.index(name) if name in ORDER else len(ORDER), row.label, row.tag)


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as e:
        raise InputError(f"{path}:{e.lineno}: not JSON; run its stage again") from None
