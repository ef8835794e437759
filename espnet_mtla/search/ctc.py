"""CTC prefix scores (Watanabe et al. 2017) in closed form, no loop over frames.

A hypothesis ``h`` is two rows over the ``T + 1`` boundaries between frames: the
log probability that the frames before boundary ``t`` emit exactly ``h``, with a
label or with a blank last. ``phi`` is their sum, or the second alone for a label
that repeats the last one of ``h``. A label's prefix score is then one sum,

    psi(h c) = logsumexp over t of (phi[t] + x_c[t]),

and needs no rows of ``h c``. Only hypotheses that a beam keeps get rows, by running
sums: with ``X[t]`` the sum of ``x`` over the frames before boundary ``t``,

    label[t] = X_c[t] + logsumexp over u < t of (phi[u] - X_c[u])
    blank[t] = X_b[t] + logsumexp over u < t of (label[u] - X_b[u]).

``X`` reaches thousands where differences of a millionth matter: rows are float64,
log posteriors as the model computed them. Prefix scores are products of posteriors
with ``exp(phi)``, scaled to its peak; below ``exp(-600)`` either counts as none.
"""

import math
from typing import Protocol

import torch
from torch.nn import functional as F

from espnet_mtla.compat import BatchPartialScorerInterface
from espnet_mtla.search.window import CTCWindow

BLANK = 0
LOGZERO = -1e10
"""Log probability of what cannot be, as in ESPnet."""
NEGLIGIBLE = -600.0
"""Log of a probability that counts as none: exponentials near or below the smallest
floating-point numbers, as of padding, are ten times slower."""
SCORED_AT_ONCE = 2**24
"""Most posteriors ``N * P * T`` in memory; more labels are scored in parts."""

State = tuple[torch.Tensor, ...]
"""Fields of ``N`` hypotheses. Selected: the ``phi`` that the newest label continues,
``(N, T + 1)``, that label, ``(N,)``, and with a window its bounds. Scored: instead of
``phi`` ``(N, 3, T + 1)``, that one, and what a next label continues, if it is another
than the newest or the same."""
TOTALS, BLANKS = 1, 2


class Posteriors(Protocol):
    """ESPnet's CTC module, or another."""

    def log_softmax(self, x: torch.Tensor, /) -> torch.Tensor:
        """Return log posteriors ``(B, T, V)`` of an encoder output ``(B, T, D)``."""


class CTCPrefixScorer(BatchPartialScorerInterface):
    """Takes the place of ESPnet's ``CTCPrefixScorer`` in its ``BatchBeamSearch``.

    Not made for ESPnet's unbatched and streaming searches. A hypothesis that takes a
    label which was not scored stays impossible; ESPnet's goes on with the rows of
    another label, and with the next score gets back what it lost.

    Args:
        ctc: what computes the posteriors.
        eos: id of ``<eos>``, whose score is that of ending here.
        window_margin: ESPnet's ``--ctc_window_margin`` in frames, 0 for none; see
            :class:`espnet_mtla.search.window.CTCWindow`.
    """

    def __init__(self, ctc: Posteriors, eos: int, window_margin: int = 0):
        self.ctc = ctc
        self.eos = eos
        self.window_margin = window_margin

    def batch_init_state(
        self, x: torch.Tensor, xs_lengths: torch.Tensor | None = None
    ) -> None:
        """Keep the log posteriors of the utterances to decode.

        Args:
            x: encoder output, ``(T, D)`` or ``(B, T, D)``.
            xs_lengths: frames of each utterance, ``(B,)``; ``T`` when None.

        Returns:
            None, the state of a hypothesis without labels.
        """
        # lets go of the last batch's
        self.table = self.silence = x.new_empty(0)
        self.window: CTCWindow | None = None
        logp = self.ctc.log_softmax(x if x.dim() == 3 else x[None]).detach()
        n_utt, n_frames, self.n_vocab = logp.shape
        self.least = max(LOGZERO, torch.finfo(logp.dtype).min / 4)
        self.labels = torch.arange(self.n_vocab, device=logp.device)
        self.firsts = self.n_vocab * torch.arange(n_utt, device=logp.device)[:, None]
        self.boundaries = torch.arange(n_frames + 1, device=logp.device)
        # Log posteriors (B * V, T + 1): at a boundary of the frame before it, 0 at the
        # first. Frames of a label lie together: a step reads few labels, all frames.
        table = logp.new_zeros(n_utt, self.n_vocab, n_frames + 1)
        self.table = table.view(-1, n_frames + 1)
        frames = table[..., 1:]
        torch.clamp(logp.transpose(1, 2), min=self.least, out=frames)
        lengths = torch.full_like(self.firsts[:, 0], n_frames)
        if xs_lengths is not None:
            lengths = xs_lengths.to(logp.device)
            padded = self.boundaries[:-1] >= lengths[:, None]
            frames.masked_fill_(padded[:, None], self.least)
            frames[:, BLANK].masked_fill_(padded, 0.0)
        self.silence = table[:, BLANK, None].double().cumsum(2)  # X_b, (B, 1, T + 1)
        if self.window_margin > 0:
            spoken = frames.argmax(1) != BLANK
            self.window = CTCWindow(spoken, lengths, self.window_margin)

    def batch_score_partial(
        self,
        y: torch.Tensor,
        ids: torch.Tensor | None,
        state: State | list[State | None] | None,
        x: torch.Tensor,
    ) -> tuple[torch.Tensor, State]:
        """Score the labels that may come next.

        Args:
            y: hypotheses, ``(N, L)``; only their number is read.
            ids: labels to score, ``(N, P)``; all when None.
            state: what a selection or ``batch_init_state`` returned, for all or
                in a list of ``N``.
            x: not read.

        Returns:
            Scores ``(N, V)``, :data:`LOGZERO` for the other labels, and a state
            to select from.
        """
        if isinstance(state, list):
            given = [fields for fields in state if fields is not None]
            state = tuple(map(torch.stack, zip(*given))) if given else None
        n_utt, width = self.silence.shape[::2]
        if state is None:
            phi = self.silence.repeat(1, len(y) // n_utt, 1).view(-1, width)
            total = blank = phi
            last = torch.full_like(phi[:, 0], BLANK, dtype=torch.int64)
            bounds = [] if self.window is None else [self.window.start(len(y))]
        else:
            phi, last, *bounds = state
            x_last = self.table.index_select(0, self._rows(last)).double()
            sums = x_last.cumsum(1)
            label = sums + logsumexp_before(phi - sums)
            if bounds:  # past its window a hypothesis is silent
                late = self.boundaries > bounds[0][:, 2:]
                label = label.masked_fill(late, -torch.inf)
            spoken = label.view(n_utt, -1, width) - self.silence
            blank = (self.silence + logsumexp_before(spoken)).view(-1, width)
            total = torch.logaddexp(label, blank)
        ending = total[:, -1:]
        if self.window is not None:
            outside, *bounds = self.window.move(total, last != self.eos, *bounds)
            total = total.masked_fill(outside, -torch.inf)
            blank = blank.masked_fill(outside, -torch.inf)

        phis = torch.stack((phi, total, blank), 1)
        prefix, psi, repeat = self._psi(phis, last[:, None], ids).unbind(1)
        ids = self.labels.expand(len(y), -1) if ids is None else ids
        psi = torch.where(ids == last[:, None], repeat[:, :1], psi[:, 1:])
        scores = torch.cat((psi, ending), 1)
        if state is not None:
            scores -= prefix[:, :1]
        dtype = torch.promote_types(self.table.dtype, torch.float32)
        scores = scores.clamp_(min=self.least).to(dtype)
        table = scores.new_full((len(y), self.n_vocab), self.least)
        table.scatter_(1, ids, scores[:, :-1])
        table.select(1, BLANK).fill_(self.least)
        table.select(1, self.eos).copy_(scores[:, -1])
        return table, (phis, last, *bounds)

    def _rows(self, labels: torch.Tensor) -> torch.Tensor:
        """Rows ``b * V + label`` of the table, for labels ``(N, ...)``."""
        return (labels.view(len(self.firsts), -1) + self.firsts).view_as(labels)

    def _psi(
        self, phis: torch.Tensor, last: torch.Tensor, ids: torch.Tensor | None
    ) -> torch.Tensor:
        """Prefix scores of each ``phi`` with the last label and ``ids``.

        ``(N, 3, T + 1)``, ``(N, 1)`` and ``(N, P)`` to ``(N, 3, 1 + P)``.
        """
        phi = phis[..., :-1]
        most = phi.amax(2, keepdim=True).clamp_(min=LOGZERO)
        weights = probabilities(phi - most)
        if ids is None:  # the same labels for all hypotheses of an utterance
            rows = self.firsts + self.labels
            weights = weights.view(len(rows), -1, phi.shape[2])  # (B, 3 * H, T)
        else:
            rows = self._rows(torch.cat((last, ids), 1))
        most_labels = max(1, SCORED_AT_ONCE // (len(rows) * phi.shape[2]))
        parts = []
        for i in range(0, rows.shape[1], most_labels):
            logp = F.embedding(rows[:, i : i + most_labels], self.table)
            # in float64: a model's own precision may not hold small posteriors
            parts.append(weights @ probabilities(logp.double())[..., 1:].mT)
        sums = torch.cat(parts, 2)
        if ids is None:
            sums = sums.view(len(phi), 3, -1)
            sums = torch.cat((sums.take_along_dim(last[:, None], 2), sums), 2)
        return sums.log_().clamp_(min=LOGZERO) + most

    def select_state(
        self, state: State | list[State | None], i: int, new_id: int | None = None
    ) -> State | None:
        """Return hypothesis ``i``, with the label ``new_id`` more if given."""
        if isinstance(state, list):
            return state[i]
        rows, last, *bounds = (field[i] for field in state)
        if new_id is None:
            return rows, last, *bounds
        label = self.labels[new_id]
        return torch.where(label == last, rows[BLANKS], rows[TOTALS]), label, *bounds

    def batch_select_state(self, state: State, best_ids: torch.Tensor) -> State:
        """Follow a beam's choice, ``(B, K)`` ids ``h * V + v``; see ESPnet."""
        phis, last, *bounds = state
        n_hyp = len(last) // len(best_ids)
        # utterance b's hypotheses are b * H + h
        flat = best_ids + n_hyp * self.firsts
        parents = flat.div(self.n_vocab, rounding_mode="trunc").view(-1)
        label = (flat % self.n_vocab).view(-1)
        repeats = label == last.index_select(0, parents)
        rows = 3 * parents + torch.where(repeats, BLANKS, TOTALS)
        phi = phis.view(-1, phis.shape[2]).index_select(0, rows)
        return phi, label, *(field.index_select(0, parents) for field in bounds)

    def select_utterances(self, state: State, rows: torch.Tensor) -> State:
        """Forget all utterances but ``rows``, ``(B,)``.

        Args:
            state: what ``batch_select_state`` returned.
            rows: places of those that stay among those so far.

        Returns:
            The state of their hypotheses.
        """
        hyps = torch.arange(len(state[0]), device=rows.device)
        hyps = hyps.view(len(self.firsts), -1)[rows].flatten()
        self.firsts = self.firsts[: len(rows)]
        self.silence = self.silence[rows]
        self.table = self.table.unflatten(0, (-1, self.n_vocab))[rows].flatten(0, 1)
        if self.window is not None:
            self.window.keep(rows)
        return tuple(field[hyps] for field in state)


def probabilities(logp: torch.Tensor) -> torch.Tensor:
    """Exponential of log probabilities, which it overwrites; see NEGLIGIBLE."""
    p = logp.clamp_(min=NEGLIGIBLE).exp_()
    return torch.threshold_(p, math.exp(NEGLIGIBLE + 1), 0.0)


def logsumexp_before(y: torch.Tensor) -> torch.Tensor:
    """Log of the sum of ``exp(y[u])`` over ``u < t``, for each ``t``."""
    return F.pad(y[..., :-1].logcumsumexp(-1), (1, 0), value=-torch.inf)
