"""One utterance by ESPnet's own call."""

import logging
import math
from typing import Any

import torch

from espnet_mtla import compat
from espnet_mtla.errors import InputError
from espnet_mtla.search import asking
from espnet_mtla.search.fast import FastBeamSearch
from espnet_mtla.search.history import NotANumber
from espnet_mtla.search.inputs import Given, Input

logger = logging.getLogger(__name__)


class Alone:
    """Decodes one utterance, and tells what is wrong with one that cannot be.

    Args:
        inner: ESPnet's ``Speech2Text``, with whatever search.
        held: its attribute that holds the model.
        input: what it takes.
    """

    def __init__(self, inner: Any, held: str, input: Input):
        self.inner, self.held, self.input = inner, held, input

    def __call__(self, given: Given) -> Any:
        """Return what ESPnet's call returns; an empty list for what is too short.

        Raises:
            InputError: the model gives NaN for numbers.
            ValueError: the utterance has samples that are none.
        """
        if isinstance(self.inner.beam_search, FastBeamSearch):
            self.inner.beam_search.n_best = self.inner.nbest
        try:
            found = self.inner(**given)
            if _no_numbers(found):
                raise NotANumber([0])
            return found
        except NotANumber:
            if _finite(given[self.input.name]):
                raise InputError(
                    "the model gives NaN: its weights are broken, or the type it "
                    "computes in is too narrow; train or average it again, or give "
                    "--dtype float32"
                ) from None
            raise ValueError("it holds samples that are no numbers") from None
        except Exception as e:
            if not self._too_short(e, given):
                raise
            logger.info("too short to be encoded: %s", e)
            return []

    def _too_short(self, error: Exception, given: Given) -> bool:
        """Whether an utterance failed for being short, whatever its front end."""
        if isinstance(error, compat.TooShortUttError):
            return True
        samples = torch.as_tensor(given[self.input.name])
        missing = int(self.input.unit) - len(samples)
        if self.input.name != "speech" or missing <= 0:
            return False
        silence = samples.new_zeros(missing, *samples.shape[1:])
        longer = {**given, self.input.name: torch.cat((samples, silence))}
        return not self._encodes(given) and self._encodes(longer)

    def _encodes(self, given: Given) -> bool:
        """Whether an utterance can be encoded."""
        try:
            question = asking.ask(self.inner, self.held, given)
            with torch.no_grad():
                getattr(self.inner, self.held).encode(**question.inputs)
        except Exception:  # noqa: BLE001  # of any front end
            return False
        return True


def _finite(samples: Any) -> bool:
    return bool(torch.as_tensor(samples).isfinite().all())


def _no_numbers(found: Any) -> bool:
    """Whether scores of ESPnet's results are NaN."""
    results = found[0] if isinstance(found, tuple) and found else found
    scores = [getattr(result[-1], "score", 0.0) for result in results if len(result)]
    return any(math.isnan(float(score)) for score in scores)
