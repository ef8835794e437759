"""The hypotheses of a running search, as tensors."""

from dataclasses import dataclass
from typing import Any

import torch

IMPOSSIBLE = -1e6
"""Texts with less are none: CTC gives what it cannot say 1e10 less than nothing."""


@dataclass
class Slots:
    """``K`` hypotheses of each of the ``B`` utterances still searched.

    Attributes:
        rows: which of the search's utterances those are, on the host.
        fewest: tokens of the text of each at least, ``(B, 1)``.
        most: tokens of the text of each at most, ``(B, 1)``.
        xs: encoder output for scorers that read it, ``(N, T, D)``.
        xs_mask: its frames that are no padding, ``(N, 1, T)``, or None.
        yseq: tokens so far, ``(N, L)``.
        states: a state of all hypotheses for each scorer.
        score: ``(B, K)``, at least float32: half precision cannot add up a text's.
        sums: scores by each scorer, ``(B, K, scorers)``.
        active: slots whose hypothesis can be extended, ``(B, K)``.
        done: utterances whose search is over, ``(B,)``.
        total: room for the scores of all continuations, ``(N, V)``.
    """

    rows: list[int]
    fewest: torch.Tensor
    most: torch.Tensor
    xs: torch.Tensor
    xs_mask: torch.Tensor | None
    yseq: torch.Tensor
    states: dict[str, Any]
    score: torch.Tensor
    sums: torch.Tensor
    active: torch.Tensor
    done: torch.Tensor
    total: torch.Tensor

    @classmethod
    def start(
        cls,
        primer: torch.Tensor,
        states: dict[str, Any],
        shape: tuple[int, int],
        xs: torch.Tensor,
        xs_mask: torch.Tensor | None,
        lengths: tuple[list[int], list[int]],
    ) -> "Slots":
        """Begin with one hypothesis for each utterance.

        Args:
            primer: its tokens, ``(B, P)``.
            states: the initial state of each scorer.
            shape: ``K`` and ``V``.
            xs: ``(N, T, D)``, or ``(T, D)`` of one utterance.
            xs_mask: ``(N, 1, T)``, or ``(1, 1, T)`` of one utterance, or None.
            lengths: fewest and most tokens of each utterance's text, on the host.
        """
        beam_size, n_vocab = shape
        n_utt, n_hyp = len(primer), len(primer) * beam_size
        if xs.dim() == 2:
            xs = xs.expand(n_hyp, *xs.shape)
            xs_mask = xs_mask if xs_mask is None else xs_mask.expand(n_hyp, -1, -1)
        dtype = torch.promote_types(xs.dtype, torch.float32)
        score = xs.new_zeros(n_utt, beam_size, dtype=dtype)
        active = torch.zeros_like(score, dtype=torch.bool)
        active[:, 0] = True
        fewest, most = (torch.tensor(n, device=xs.device)[:, None] for n in lengths)
        return cls(
            list(range(n_utt)),
            fewest,
            most,
            xs,
            xs_mask,
            primer.repeat_interleave(beam_size, dim=0),
            {k: [state] * n_hyp for k, state in states.items()},
            score,
            score.new_zeros(n_utt, beam_size, len(states)),
            active,
            torch.zeros_like(active[:, 0]),
            score.new_empty(n_hyp, n_vocab),
        )

    @property
    def newest(self) -> torch.Tensor:
        """Last token of each hypothesis, ``(B, K)``."""
        return self.yseq[:, -1].view_as(self.score)

    def extend(
        self,
        parents: torch.Tensor,
        tokens: torch.Tensor,
        score: torch.Tensor,
        added: torch.Tensor,
    ) -> None:
        """Put chosen continuations into the slots; ``states`` are left to do.

        Args:
            parents: hypotheses that are continued, ``(N,)``.
            tokens: by what, ``(N,)``.
            score: of the continuations, ``(B, K)``.
            added: what each scorer added to that, ``(N, scorers)``.
        """
        self.yseq = torch.cat((self.yseq[parents], tokens[:, None]), dim=1)
        self.sums = (self.sums.flatten(0, 1)[parents] + added).view_as(self.sums)
        self.score = score
        self.active = (score > -torch.inf) & ~self.done[:, None]
        # what scores so has lost the digits that would order it
        possible = score > IMPOSSIBLE
        self.active &= possible | ~possible.any(1, keepdim=True)

    def keep(self, left: list[int]) -> torch.Tensor:
        """Go on with these of the ``B`` utterances; ``states`` are left to do."""
        rows = torch.tensor(left, device=self.xs.device)
        n_utt, beam_size = self.score.shape
        hyps = torch.arange(n_utt * beam_size, device=rows.device)
        hyps = hyps.view(n_utt, beam_size)[rows].flatten()
        self.rows = [self.rows[b] for b in left]
        self.xs, self.yseq = self.xs[hyps], self.yseq[hyps]
        self.total = self.total[: len(hyps)]
        self.xs_mask = None if self.xs_mask is None else self.xs_mask[hyps]
        for name in ("fewest", "most", "score", "sums", "active", "done"):
            setattr(self, name, getattr(self, name)[rows])
        return rows
