"""Encoder outputs of several utterances at once, each as it is alone."""

import logging
from typing import Any

import torch

from espnet_mtla.search import asking
from espnet_mtla.search.batch import out_of_memory
from espnet_mtla.search.frontend import AloneFrontend
from espnet_mtla.search.packed import pack
from espnet_mtla.search.tree import replaced

logger = logging.getLogger(__name__)

ENCODES = "frontend", "preencoder", "encoder", "postencoder"
"""What ESPnet calls the parts that encode."""
FEW_FRAMES = 3
"""Of so few frames an encoder may be too short by itself, and not in a batch."""
ENOUGH = 4
"""Frames of padding that show whether an encoder sees it: less may make no difference."""
SAME = 1e-3
"""How far an encoder's outputs may be apart in a batch and alone, of the largest."""


class Encoding:
    """A model's ``encode``, for several utterances.

    Args:
        model: ESPnet's.
        alone: whether it encodes one utterance after the other; None to find out whether it
            has to, as its outputs depend on the batch.
        judged: a model to find that out with, which rounds less; ``model`` when None.
    """

    def __init__(self, model: Any, alone: bool | None = None, judged: Any = None):
        self.model, self.joint = model, _joint(model)
        self.alone = alone
        self.judged = judged

    @torch.no_grad()
    def __call__(self, questions: list[asking.Question]) -> list[tuple[Any, int]]:
        """Encode questions of one kind: for each what ``encode`` returns, and frames.

        Frames are 0 where one alone could not be encoded, as when it is too short.
        """
        if self.alone:
            return [self._alone(question) for question in questions]
        try:
            rows = _rows(self.joint, questions)
        except Exception as e:
            if out_of_memory(e):
                raise
            return [self._alone(question) for question in questions]
        ragged = len({question.length for question in questions}) > 1
        if ragged and self.alone is None:
            self.alone = self._look(questions, rows)
            if self.alone:
                logger.info(
                    "the encoder sees padding: it encodes utterances one by one"
                )
                return self(questions)
        return rows

    def _alone(self, question: asking.Question) -> tuple[Any, int]:
        """Encode one question."""
        try:
            out = self.model.encode(**question.inputs)
        except Exception as e:
            if out_of_memory(e):
                raise
            # who decodes it by itself tells why
            logger.debug("not encoded: %s", e)
            return None, 0
        return out, int(out[1][0])

    def _look(
        self, questions: list[asking.Question], rows: list[tuple[Any, int]]
    ) -> bool | None:
        """Whether the shortest is another than alone; None if that need not show."""
        shortest = min(range(len(rows)), key=lambda i: questions[i].length)
        together, frames = rows[shortest]
        if frames <= FEW_FRAMES:
            return None
        model = self.model
        if self.judged is not None:
            model = self.judged
            together, _ = _rows(_joint(model), questions)[shortest]
        alone = model.encode(**questions[shortest].inputs)
        same = _alike(output(alone), output(together))
        little = max(n for _, n in rows) - frames < ENOUGH
        return None if same and little else not same


def through_onednn[M: torch.nn.Module](model: M) -> M:
    """Return a model in whose encoder oneDNN multiplies, and what stands before it.

    All else is the model's, weights too.
    """
    parts = (getattr(model, name, None) for name in ENCODES)
    ours = {part: pack(part, copies=False) for part in parts if part is not None}
    return replaced(model, lambda part: ours.get(part, part))


def _joint(model: Any) -> Any:
    """Return a model whose features of an utterance do not depend on the batch."""
    front = getattr(model, "frontend", None)
    if front is None:
        return model
    ours = AloneFrontend(front)
    return replaced(model, lambda part: ours if part is front else part)


def _rows(model: Any, questions: list[asking.Question]) -> list[tuple[Any, int]]:
    """Encode questions at once: for each what ``encode`` returns, and frames."""
    out = model.encode(**asking.together(questions))
    return [(asking.row(out, i, n), n) for i, n in enumerate(out[1].tolist())]


def output(encoded: Any) -> torch.Tensor:
    """Return the output itself of what ``encode`` returned: others may come with it."""
    return encoded[0][0] if isinstance(encoded[0], tuple) else encoded[0]


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two outputs are the same but for rounding."""
    if one.shape != other.shape:
        return False
    wide = 8 * torch.finfo(one.dtype).eps  # half precision rounds more
    allowed = max(SAME, wide) * one.abs().max()
    return bool((one - other).abs().max() <= allowed)
