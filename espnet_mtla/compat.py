"""The only file that knows where an ESPnet release (202611) keeps things.

Light names are imported here; whatever costs seconds to import (a task pulls
in everything ESPnet can train) is behind a function.
"""

import argparse
import importlib
import inspect
import re
import sys
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import Any, NamedTuple

import torch
from espnet2.asr.decoder.abs_decoder import AbsDecoder
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from espnet2.legacy.nets.pytorch_backend.transformer.attention import (
    MultiHeadedAttention,
)
from espnet2.legacy.nets.pytorch_backend.transformer.decoder_layer import DecoderLayer
from espnet2.legacy.nets.pytorch_backend.transformer.embedding import (
    PositionalEncoding,
    ScaledPositionalEncoding,
)
from espnet2.legacy.nets.pytorch_backend.transformer.encoder_layer import EncoderLayer
from espnet2.legacy.nets.pytorch_backend.transformer.positionwise_feed_forward import (
    PositionwiseFeedForward,
)
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    TooShortUttError,
)
from espnet2.legacy.nets.scorer_interface import (
    BatchPartialScorerInterface,
    BatchScorerInterface,
)
from espnet2.torch_utils.device_funcs import (
    is_out_of_memory_error,
    release_accelerator_memory,
)

from espnet_mtla.task import TASKS

__all__ = [
    "AbsDecoder",
    "AbsFrontend",
    "BatchPartialScorerInterface",
    "BatchScorerInterface",
    "DecoderLayer",
    "EncoderLayer",
    "MultiHeadedAttention",
    "PositionalEncoding",
    "PositionwiseFeedForward",
    "ScaledPositionalEncoding",
    "TooShortUttError",
    "is_out_of_memory_error",
    "release_accelerator_memory",
]


def task_module(task: str) -> ModuleType:
    """Return ``espnet2.tasks.<task>``, which holds its ``decoder_choices``."""
    return importlib.import_module(f"espnet2.tasks.{task}")


def task_class(task: str) -> type[Any]:
    """Return ESPnet's task class, as ``STTask`` (or ``LMTask``)."""
    return getattr(task_module(task), f"{task.upper()}Task")


def inference_module(task: str) -> ModuleType:
    """Return ``espnet2.bin.<task>_inference``."""
    return importlib.import_module(f"espnet2.bin.{task}_inference")


def inference_parser(
    task: str, helps: dict[str, str], choices: dict[str, list[str]]
) -> argparse.ArgumentParser:
    """Return the parser of ``<task>_inference``, some of its options explained anew.

    Args:
        task: of :data:`espnet_mtla.task.TASKS`.
        helps: of options by name.
        choices: that options by name have besides ESPnet's.
    """
    parser = inference_module(task).get_parser()
    for action in parser._actions:
        found = helps.get(action.dest, action.help) or ""
        if action.dest in choices:
            action.choices = [*(action.choices or ()), *choices[action.dest]]
        # some of ESPnet's have a lone %, with which argparse cannot print them
        action.help = re.sub(r"%(?![(%])", "%%", found)
    return parser


def speech2text_class(task: str) -> type[Any]:
    """Return ESPnet's ``Speech2Text`` of a task, whatever it is called there."""
    return getattr(inference_module(task), TASKS[task].speech2text)


def task_of(speech2text: object) -> str | None:
    """Return the task whose ``Speech2Text`` an object is, or None."""
    for kind in type(speech2text).__mro__:
        for task in TASKS:
            if kind.__module__ == f"espnet2.bin.{task}_inference":
                return task
    return None


def perplexity_module() -> ModuleType:
    """Return ``espnet2.bin.lm_calc_perplexity``: its parser and ``main``."""
    return importlib.import_module("espnet2.bin.lm_calc_perplexity")


def model_of(task: str, speech2text: object) -> tuple[Any, argparse.Namespace]:
    """Return the model and training options that a ``Speech2Text`` holds."""
    name = TASKS[task].held_as
    found = (getattr(speech2text, f"{name}_{part}") for part in ("model", "train_args"))
    return tuple(found)


class SearchLoop(NamedTuple):
    """What ``BatchBeamSearch`` hands to its private ``_search_loop``, in order."""

    x: torch.Tensor
    x_lengths: torch.Tensor | None
    xs: torch.Tensor
    xs_mask: torch.Tensor | None
    pre_xs: torch.Tensor | None
    pre_xs_mask: torch.Tensor | None
    maxlens: list[int]
    minlens: list[int]
    maxlenratio: float
    n_utt: int
    batched: bool


OVERRIDDEN = {
    "_search_loop": SearchLoop._fields,
    "_expand_over_beam": ("x", "x_lengths"),
    "init_hyp": ("x", "x_lengths"),
    "score_full": ("hyp", "x", "pre_x", "xs_mask", "pre_xs_mask"),
    "score_partial": ("hyp", "ids", "x", "pre_x"),
}
"""Methods of ``BatchBeamSearch`` that ours overrides or calls, and what they take."""


@cache
def batch_beam_search() -> type[Any]:
    """Return ESPnet's ``BatchBeamSearch``.

    Raises:
        ImportError: this release's is another than the one that ours is built on.
    """
    name = "espnet2.legacy.nets.batch_beam_search"
    search = importlib.import_module(name).BatchBeamSearch
    check_methods(search, OVERRIDDEN)
    return search


def check_methods(theirs: type, wanted: dict[str, tuple[str, ...]]) -> None:
    """Look whether methods of ESPnet's take what they took in the release named above.

    Raises:
        ImportError: one is missing or takes something else.
    """
    for method, arguments in wanted.items():
        found = getattr(theirs, method, None)
        taken = tuple(inspect.signature(found).parameters)[1:] if found else None
        if taken != arguments:
            now = "is gone" if taken is None else f"takes {', '.join(taken)}"
            raise ImportError(
                f"espnet {version('espnet')}: {theirs.__name__}.{method} {now}; "
                "espnet_mtla needs espnet 202611"
            )


def hypothesis() -> type[Any]:
    """Return the ``Hypothesis`` of ESPnet's beam searches."""
    return importlib.import_module("espnet2.legacy.nets.beam_search").Hypothesis


def transformer_decoder() -> type[Any]:
    """Return ESPnet's ``TransformerDecoder``."""
    name = "espnet2.asr.decoder.transformer_decoder"
    return importlib.import_module(name).TransformerDecoder


def transformer_lm() -> type[Any]:
    """Return ESPnet's ``TransformerLM``."""
    return importlib.import_module("espnet2.lm.transformer_lm").TransformerLM


def ctc_prefix_scorer() -> type[Any]:
    """Return ESPnet's own ``CTCPrefixScorer``."""
    return importlib.import_module("espnet2.legacy.nets.scorers.ctc").CTCPrefixScorer


def length_bonus() -> type[Any]:
    """Return ESPnet's ``LengthBonus``."""
    name = "espnet2.legacy.nets.scorers.length_bonus"
    return importlib.import_module(name).LengthBonus


def score_filter() -> type[Any]:
    """Return the scorer that forbids tokens in ESPnet's ``s2t_inference``."""
    # where it is not imported nothing is one
    module = sys.modules.get("espnet2.bin.s2t_inference")
    return module.ScoreFilter if module else type(None)


def takes_batches(search: Any) -> bool:
    """Whether a search is ESPnet's ``BatchBeamSearch``, all its scorers batched."""
    if type(search) is not batch_beam_search():
        return False
    partial = search.part_scorers.values()
    return all(isinstance(s, BatchPartialScorerInterface) for s in partial)


def dataset_class() -> type[Any]:
    """Return ESPnet's map-style dataset, indexed by utterance id."""
    return importlib.import_module("espnet2.train.dataset").ESPnetDataset
