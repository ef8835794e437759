"""ESPnet's ``Speech2Text`` of a trained model, made fast: no training, no new model."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from espnet_mtla.errors import InputError
from espnet_mtla.search.batch import Failure, frames_at, plan_batches
from espnet_mtla.search.recognizer import Recognizer


class SomeFailed(InputError):
    """Some of several inputs could not be decoded.

    Attributes:
        results: of all inputs, in order; a :class:`.Failure` for those that failed.
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
            InputError: an audio file of another rate than the model's, or none; NaN.
            SomeFailed: inputs that could not be decoded; it has the results of the others.
        """
        name = self.recognizer.input.name
        given = options.pop(name, given)
        many = isinstance(given, list | tuple)
        inputs = list(given) if many else [given]
        recognizer = self.recognizer
        inner = vars(recognizer.inner)  # follows what was set here
        inner.update((k, v) for k, v in vars(self).items() if k in inner)
        names = [
            str(x) if isinstance(x, str | Path) else f"input {i}"
            for i, x in enumerate(inputs)
        ]
        batch = [{name: recognizer.input.read(x), **options} for x in inputs]
        batch_size, bound = self.bounds
        beam = getattr(recognizer.inner.beam_search, "beam_size", 1)
        frames = [recognizer.frames(item) for item in batch]
        results: list = [None] * len(batch)
        for places in plan_batches(frames, batch_size, frames_at(bound, beam)):
            found = recognizer.decode(
                [batch[i] for i in places], [names[i] for i in places]
            )
            for i, result in zip(places, found):
                results[i] = result
        if any(isinstance(result, Failure) for result in results):
            raise SomeFailed(results)
        return results if many else results[0]

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
    speech2text: Any, *, batch_size: int = 0, batch_frames: str | int = "50000x50"
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

    Returns:
        An object of the same class, called as ESPnet's with one input, or with a list of
        them, which it decodes in batches; ``.original`` is ``speech2text``. Leaving a
        ``with`` block makes it ESPnet's again.

    Raises:
        InputError: it is another object.
    """
    if isinstance(speech2text, Accelerated):
        speech2text = speech2text.original
    recognizer = Recognizer(speech2text)
    kind = type(speech2text)
    made = copy.copy(recognizer.inner)
    made.__class__ = type(kind.__name__, (Accelerated, kind), {"__module__": __name__})
    made.original, made.recognizer = speech2text, recognizer
    made.bounds = batch_size, str(batch_frames)
    recognizer.log()
    return made
