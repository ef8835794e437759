"""ESPnet's ``Speech2Text`` of a trained model, made fast: no training, no new model."""

import copy
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch

from espnet_mtla.errors import InputError
from espnet_mtla.search.batch import Failure, frames_at, plan_batches
from espnet_mtla.search.recognizer import Recognizer


class SomeFailed(InputError):
    """Some of several inputs could not be decoded.

    Attributes:
        results: of all inputs, in order; a :class:`.Failure`, with ``name`` and ``reason``,
            for those that failed.
    """

    def __init__(self, results: list):
        failed = [r for r in results if isinstance(r, Failure)]
        first = f"{failed[0].name}: {failed[0].reason}"
        super().__init__(f"{len(failed)} of {len(results)} inputs failed, as {first}")
        self.results = results


class Accelerated:
    """What :func:`accelerate` adds to ESPnet's object, of whose class it is too."""

    original: Any
    """ESPnet's object as it was."""
    recognizer: Recognizer
    bounds: tuple[int, str]

    def __call__(self, given: Any = None, **options: Any) -> Any:
        """Decode one input, or several.

        Args:
            given: an input of ESPnet's call, or the path of an audio file; or a list of
                these. By ESPnet's name, ``speech`` or ``src_text``, too.
            options: of ESPnet's call, for all of them.

        Returns:
            What ESPnet's call returns; for a list, a list of that, in order. Nothing
            (``[]``) where an input is too short for the encoder.

        Raises:
            InputError: an input that is none, as an audio file of another rate than the
                model's; the model gives NaN.
            SomeFailed: some of a list are none, or could not be decoded; it has the results
                of the others.
            TypeError: an option that ESPnet's call does not have.
        """
        recognizer = self.recognizer
        given = options.pop(recognizer.input.name, given)
        many = isinstance(given, list | tuple)
        inputs = list(given) if many else [given]
        inspect.signature(type(self.original).__call__).bind(self, given, **options)
        inner = vars(recognizer.inner)  # follows what was set here
        inner.update((k, v) for k, v in vars(self).items() if k in inner)
        results = self._results(inputs, options)
        if many and any(isinstance(result, Failure) for result in results):
            raise SomeFailed(results)
        if not many and isinstance(results[0], Failure):
            raise InputError(f"{results[0].name}: {results[0].reason}")
        return results if many else results[0]

    def _results(self, inputs: list, options: dict[str, Any]) -> list:
        """Decode inputs: for each what ESPnet's call returns, or a :class:`.Failure`."""
        recognizer = self.recognizer
        names = [
            str(x) if isinstance(x, str | Path) else f"input {i}"
            for i, x in enumerate(inputs)
        ]
        results: list = [None] * len(inputs)
        items: dict[int, dict[str, Any]] = {}
        for i, x in enumerate(inputs):
            try:
                items[i] = {recognizer.input.name: recognizer.input.read(x), **options}
            except InputError as e:
                results[i] = Failure(names[i], str(e))
        batch_size, bound = self.bounds
        beam = getattr(recognizer.inner.beam_search, "beam_size", 1)
        frames = [recognizer.frames(item) for item in items.values()]
        read = list(items)
        for batch in plan_batches(frames, batch_size, frames_at(bound, beam)):
            places = [read[j] for j in batch]
            found = recognizer.decode(
                [items[i] for i in places], [names[i] for i in places]
            )
            for i, result in zip(places, found):
                results[i] = result
        return results

    def batch_decode(
        self, speech: Sequence, speech_lengths: Sequence[int] | None = None, **options
    ) -> list:
        """Decode several inputs, padded ones too; see ESPnet's."""
        if speech_lengths is not None:
            speech = [x[: int(n)] for x, n in zip(speech, speech_lengths)]
        return self(list(speech), **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Be ESPnet's object again."""
        original = self.original
        self.__class__ = type(original)
        vars(self).clear()
        vars(self).update(vars(original))


def accelerate(
    speech2text: Any,
    *,
    batch_size: int = 0,
    batch_frames: str | int = "50000x50",
    dtype: str | torch.dtype = "",
) -> Any:
    """Make a trained ESPnet model decode fast, with the hypotheses that ESPnet finds.

    The weights stay as they are, and so does ``speech2text``. What was put in, and what was
    left as ESPnet has it, is said in the log.

    Args:
        speech2text: ESPnet's ``Speech2Text`` of ASR, ST or S2T, its ``Speech2Understand``
            or its ``Text2Text``.
        batch_size: most inputs decoded at once; 0 for no bound by their number.
        batch_frames: most padded frames of 10 ms at once; see
            :func:`espnet_mtla.search.batch.frames_at`.
        dtype: "bfloat16" to compute in it, on a GPU or a CPU that multiplies it; the
            type that the model was loaded in when empty.

    Returns:
        An object of the same class, called as ESPnet's with one input, or with a list of
        them, which it decodes in batches; ``.original`` is ``speech2text``. Leaving a
        ``with`` block makes it ESPnet's again.

    Raises:
        InputError: it is another object, a bound is none, or it cannot compute in
            ``dtype``.
    """
    try:
        frames_at(batch_frames, 1)
    except ValueError as e:
        raise InputError(f"batch_frames {e}") from None
    if not isinstance(batch_size, int) or batch_size < 0:
        raise InputError(f"batch_size {batch_size}: give an integer of at least 0")
    if isinstance(speech2text, Accelerated):
        speech2text = speech2text.original
    recognizer = Recognizer(speech2text, dtype=dtype)
    kind = type(speech2text)
    made = copy.copy(recognizer.inner)
    made.__class__ = type(kind.__name__, (Accelerated, kind), {"__module__": __name__})
    made.original, made.recognizer = speech2text, recognizer
    made.bounds = batch_size, str(batch_frames)
    recognizer.log()
    return made
