"""Encoder outputs of several utterances at once, each as it is alone."""

import logging
from typing import Any

import torch

from espnet_mtla.search import asking
from espnet_mtla.search.frontend import AloneFrontend
from espnet_mtla.search.narrow import NarrowEncoder
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
    """

    def __init__(self, model: Any, alone: bool | None = None):
        self.model = self.joint = model
        self.alone = alone
        front = getattr(model, "frontend", None)
        if front is not None:
            ours = AloneFrontend(front)
            self.joint = replaced(model, lambda part: ours if part is front else part)

    @torch.no_grad()
    def __call__(self, questions: list[asking.Question]) -> list[tuple[Any, int]]:
        """Encode questions of one kind: for each what ``encode`` returns, and frames.

        Frames are 0 where one alone could not be encoded, as when it is too short.
        """
        if self.alone:
            return [self._alone(question) for question in questions]
        out = self.joint.encode(**asking.together(questions))
        rows = [(asking.row(out, i, n), n) for i, n in enumerate(out[1].tolist())]
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
        except Exception as e:  # noqa: BLE001  # who decodes it by itself tells why
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
        alone = self.model.encode(**questions[shortest].inputs)
        narrow = isinstance(self.model, NarrowEncoder)
        same = _alike(
            output(alone), output(together), torch.bfloat16 if narrow else None
        )
        little = max(n for _, n in rows) - frames < ENOUGH
        return None if same and little else not same


def through_onednn[M: torch.nn.Module](model: M) -> M:
    """Return a model in whose encoder oneDNN multiplies, and what stands before it.

    All else is the model's, weights too.
    """
    parts = (getattr(model, name, None) for name in ENCODES)
    ours = {part: pack(part, copies=False) for part in parts if part is not None}
    return replaced(model, lambda part: ours.get(part, part))


def output(encoded: Any) -> torch.Tensor:
    """Return the output itself of what ``encode`` returned: others may come with it."""
    return encoded[0][0] if isinstance(encoded[0], tuple) else encoded[0]


def _alike(
    one: torch.Tensor, other: torch.Tensor, computed: torch.dtype | None
) -> bool:
    """Whether two outputs are the same but for rounding, of the type computed in."""
    if one.shape != other.shape:
        return False
    wide = 8 * torch.finfo(computed or one.dtype).eps  # half precision rounds more
    allowed = max(SAME, wide) * one.abs().max()
    return bool((one - other).abs().max() <= allowed)
