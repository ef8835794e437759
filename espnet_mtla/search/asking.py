"""ESPnet's own call of a model, asked for its parts, so that several are made at once.

A ``Speech2Text`` takes one input: it prepares it, calls its model's ``encode`` and its
beam search, and turns hypotheses into text, each task in its own way. Here that call is
made twice. The first time it is stopped where it encodes, which tells what is to be
encoded (:func:`ask`). The second time encoder and search give what was found for many
inputs together (:func:`answer`). So a batch's results are ESPnet's to the last type.
"""

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence


@dataclass
class Question:
    """What one input asks an encoder and a search for.

    Attributes:
        inputs: of the model's ``encode``: one row each, and what is no tensor.
        primer: what its hypotheses begin with, as the search is told; None for ``<sos>``.
    """

    inputs: dict[str, Any]
    primer: list[int] | None

    @property
    def length(self) -> int:
        """Samples of the first input."""
        return next(iter(self.inputs.values())).shape[1]

    @property
    def kind(self) -> tuple:
        """What questions must have in common to be put together."""
        shapes = (
            (name, value.shape[2:], value.dtype)
            if torch.is_tensor(value)
            else (name, repr(value))
            for name, value in self.inputs.items()
        )
        return tuple(shapes), None if self.primer is None else len(self.primer)


class _Encodes(BaseException):
    """Stops a call where it encodes."""


class _Listener:
    """Stands for a model whose ``encode`` is asked for."""

    def __init__(self, model: Any):
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, **inputs: Any) -> Any:
        raise _Encodes(inputs)


class _Speaker(_Listener):
    """Stands for a model that has encoded."""

    def __init__(self, model: Any, encoded: Any):
        super().__init__(model)
        self._encoded = encoded

    def encode(self, **inputs: Any) -> Any:
        return self._encoded


class _Found:
    """Stands for a search that has found its hypotheses."""

    def __init__(self, search: Any, found: list):
        self._search, self._found = search, found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._search, name)

    def __call__(self, *args: Any, **kwargs: Any) -> list:
        return self._found


def ask(speech2text: Any, model: str, given: Mapping[str, Any]) -> Question:
    """Return what ESPnet's call would encode and search for.

    Args:
        speech2text: ESPnet's object, which stays as it is.
        model: its attribute that holds the model.
        given: what it is called with.
    """
    asked = copy.copy(speech2text)
    asked.beam_search = copy.copy(speech2text.beam_search)
    setattr(asked, model, _Listener(getattr(speech2text, model)))
    try:
        asked(**given)
    except _Encodes as e:
        # a transducer has no such search
        return Question(e.args[0], getattr(asked.beam_search, "hyp_primer", None))
    raise TypeError(f"{type(speech2text).__name__} did not encode its input")


def together(questions: Sequence[Question]) -> dict[str, Any]:
    """Return the inputs of one ``encode`` for questions of one kind, padded."""
    joint = {}
    for name, first in questions[0].inputs.items():
        values = [question.inputs[name] for question in questions]
        if not torch.is_tensor(first):
            joint[name] = first
        elif first.dim() == 1:  # lengths
            joint[name] = torch.cat(values)
        else:  # ids of text are padded with -1
            padding = 0.0 if first.is_floating_point() else -1.0
            joint[name] = pad_sequence([v[0] for v in values], True, padding)
    return joint


def row(encoded: Any, i: int, length: int) -> Any:
    """Return what ``encode`` would have returned for input ``i`` by itself.

    Args:
        encoded: what it returned for several.
        i: which.
        length: its frames.
    """
    if torch.is_tensor(encoded):
        return encoded[i : i + 1, :length] if encoded.dim() > 1 else encoded[i : i + 1]
    if isinstance(encoded, tuple | list):
        return type(encoded)(row(part, i, length) for part in encoded)
    return encoded


def answer(
    speech2text: Any, model: str, given: Mapping[str, Any], encoded: Any, found: list
) -> Any:
    """Return what ESPnet's call returns, of what was encoded and found before.

    Args:
        speech2text: see :func:`ask`.
        model: likewise.
        given: likewise.
        encoded: what the model's ``encode`` returns for this input.
        found: what its beam search does.
    """
    told = copy.copy(speech2text)
    told.beam_search = _Found(speech2text.beam_search, found)
    setattr(told, model, _Speaker(getattr(speech2text, model), encoded))
    with _silent(type(speech2text).__module__):
        return told(**given)


@contextmanager
def _silent(module: str) -> Iterator[None]:
    """Keep the call from saying again what it said when it was asked."""
    loggers = [logging.getLogger(), logging.getLogger(module)]
    try:
        for logger in loggers:
            logger.addFilter(_never)
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_never)


def _never(record: logging.LogRecord) -> bool:
    return False
