"""When a search ends: ESPnet's end detection, what is settled, and how the host hears."""

from collections import deque

import torch

ENOUGH = -10.0
"""How far the newest hypotheses have to be behind the best (``D_end``)."""
LENGTHS = 3
"""How many lengths in a row have to be (``M``)."""
SINCE = 2
"""ESPnet looks for hypotheses of as many tokens as there were steps; with
``<sos>`` and ``<eos>`` among the tokens, those ended two steps ago."""
ROUNDING = 1e-3
"""How far sums of scores in float32 may be from what they would be."""


class EndDetection:
    """Watanabe et al. 2017, equation 50, for all utterances at once.

    Args:
        score: any scores ``(B, K)``, for their size, device and type.
    """

    def __init__(self, score: torch.Tensor):
        self.best = score.new_full((len(score),), -torch.inf)
        self.recent = score.new_full((len(score), LENGTHS + SINCE), -torch.inf)

    def update(
        self, score: torch.Tensor, ended: torch.Tensor, *unread: torch.Tensor
    ) -> torch.Tensor:
        """Take in a step.

        Args:
            score: of all hypotheses, ``(B, K)``.
            ended: which of them ended with this step, ``(B, K)``.
            unread: what :class:`Settled` reads besides.

        Returns:
            Utterances of which no better text is expected, ``(B,)``.
        """
        best = score.masked_fill(~ended, -torch.inf).amax(1)
        self.best = self.best.maximum(best)
        self.recent = torch.cat((self.recent[:, 1:], best[:, None]), dim=1)
        looked_at = self.recent[:, :LENGTHS]
        behind = looked_at - self.best[:, None] < ENOUGH
        return (behind & (looked_at > -torch.inf)).all(1)

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these utterances."""
        self.best, self.recent = self.best[rows], self.recent[rows]


class Settled:
    """Says of which utterances the ``n`` best hypotheses cannot change any more.

    Where no score of a token is above ``gain``, no hypothesis that is still extended can
    overtake one that ended with more than it can reach.

    Args:
        score: any scores ``(B, K)``, for their size, device and type.
        n_best: ``n``.
        gain: most that a token can add to a score, at least 0.
    """

    def __init__(self, score: torch.Tensor, n_best: int, gain: float):
        self.best = score.new_full((len(score), n_best), -torch.inf)
        self.gain = gain

    def update(
        self,
        score: torch.Tensor,
        ended: torch.Tensor,
        active: torch.Tensor,
        steps_left: torch.Tensor,
    ) -> torch.Tensor:
        """Take in a step.

        Args:
            score: of all hypotheses, ``(B, K)``.
            ended: which of them ended with this step, ``(B, K)``.
            active: which can be extended, ``(B, K)``.
            steps_left: that an utterance has at most, ``(B, 1)``.

        Returns:
            Utterances that are settled, ``(B,)``.
        """
        new = score.masked_fill(~ended, -torch.inf)
        n_best = self.best.shape[1]
        self.best = torch.cat((self.best, new), dim=1).topk(n_best, dim=1)[0]
        reach = score.masked_fill(~active, -torch.inf).amax(1)
        reach = reach + self.gain * steps_left[:, 0] + ROUNDING
        return self.best[:, -1] > reach

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these utterances."""
        self.best = self.best[rows]


class Outcomes:
    """Reads flags from a device that is still working on newer ones.

    Args:
        ahead: results that may be outstanding; 0 to wait for each.
    """

    def __init__(self, ahead: int):
        self.ahead = ahead
        self.waiting: deque = deque()

    def exchange(self, flags: torch.Tensor) -> list[bool] | None:
        """Hand in new flags; return those of ``ahead`` calls ago, if any."""
        event = None
        copy = flags.to("cpu", non_blocking=True)
        if flags.is_cuda:
            event = torch.cuda.Event()
            event.record()
        self.waiting.append((copy, event))
        if len(self.waiting) <= self.ahead:
            return None
        copy, event = self.waiting.popleft()
        if event:
            event.synchronize()
        return copy.tolist()

    def clear(self) -> None:
        """Forget what is outstanding."""
        self.waiting.clear()
