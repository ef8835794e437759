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

``X`` reaches thousands where differences of a millionth matter: rows are float64.
Prefix scores are products of posteriors with ``exp(phi)``, scaled to its peak; a
posterior below ``exp(-700)`` where that peaks counts as none.
"""

import math

import torch
from torch.nn import functional as F

from espnet_mtla.compat import BatchPartialScorerInterface
from espnet_mtla.search.window import CTCWindow

BLANK = 0
LOGZERO = -1e10
"""Log probability of what cannot be, as in ESPnet."""
NEGLIGIBLE = -600.0
"""Log of a weight that counts as none; products of larger ones and posteriors stay
clear of denormal numbers, which are ten times slower."""
SCORED_AT_ONCE = 2**24
"""Most terms ``N * P * T`` in memory; more labels are scored in parts."""

State = tuple[torch.Tensor, ...]


class CTCPrefixScorer(BatchPartialScorerInterface):
    """Takes the place of ESPnet's ``CTCPrefixScorer`` in its ``BatchBeamSearch``.

    Not made for ESPnet's unbatched and streaming searches.

    Args:
        ctc: ESPnet's CTC module, or another with its ``log_softmax``.
        eos: id of ``<eos>``, whose score is that of ending here.
        window_margin: ESPnet's ``--ctc_window_margin`` in frames, 0 for none; see
            :class:`espnet_mtla.search.window.CTCWindow`.
    """

    def __init__(self, ctc: torch.nn.Module, eos: int, window_margin: int = 0):
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
        logp = self.ctc.log_softmax(x if x.dim() == 3 else x[None]).detach()
        n_utt, n_frames, self.n_vocab = logp.shape
        self.dtype = logp.dtype
        self.labels = torch.arange(self.n_vocab, device=logp.device)
        self.utterances = torch.arange(n_utt, device=logp.device)
        self.boundaries = torch.arange(n_frames + 1, device=logp.device)
        lengths = torch.full_like(self.utterances, n_frames)
        if xs_lengths is not None:
            lengths = xs_lengths.to(logp.device)
            padded = self.boundaries[:-1] >= lengths[:, None]
            logp = logp.masked_fill(padded[..., None], -torch.inf)
            logp[..., BLANK].masked_fill_(padded, 0.0)
        # frames of a label lie together: a step reads few labels, all frames
        posteriors = logp.transpose(1, 2).contiguous().double().exp_()  # (B, V, T)
        self.posteriors = posteriors.view(-1, n_frames)
        self.silence = sums_before(log(posteriors[:, BLANK]))  # X_b, (B, T + 1)
        self.window = None
        if self.window_margin > 0:
            spoken = logp.argmax(2) != BLANK
            self.window = CTCWindow(spoken, lengths, self.window_margin)

    def batch_score_partial(
        self,
        y: torch.Tensor,
        ids: torch.Tensor | None,
        state: State | list[State | None],
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
            state = None if state[0] is None else tuple(map(torch.stack, zip(*state)))
        n_hyp = len(y)
        utterance = self.utterances.repeat_interleave(n_hyp // len(self.utterances))
        offset = utterance * self.n_vocab
        silence = self.silence.index_select(0, utterance)
        last = torch.full_like(offset, BLANK) if state is None else state[1]
        x_last = log(self.posteriors.index_select(0, offset + last))
        if state is None:
            phi = total = blank = silence
            bounds = [] if self.window is None else [self.window.start(n_hyp)]
        else:
            phi, _, *bounds = state
            sums = sums_before(x_last)
            label = sums + logsumexp_before(phi - sums)
            if bounds:  # past its window a hypothesis is silent
                late = self.boundaries > bounds[0][:, 2:]
                label = label.masked_fill(late, -torch.inf)
            blank = silence + logsumexp_before(label - silence)
            total = torch.logaddexp(label, blank)
        ending = total[:, -1:]
        if self.window is not None:
            outside, *bounds = self.window.move(total, last != self.eos, *bounds)
            total = total.masked_fill(outside, -torch.inf)
            blank = blank.masked_fill(outside, -torch.inf)

        if ids is None:
            ids = self.labels.expand(n_hyp, -1)
        labels = torch.cat((last[:, None], ids), 1) + offset[:, None]
        prefix, psi, repeat = self._psi((phi, total, blank), labels).unbind(1)
        psi = torch.where(ids == last[:, None], repeat[:, :1], psi[:, 1:])
        scores = torch.cat((psi, ending), 1).clamp_(min=LOGZERO)
        if state is not None:
            scores -= prefix[:, :1].clamp(min=LOGZERO)
        least = max(LOGZERO, torch.finfo(self.dtype).min / 4)
        scores = scores.clamp_(min=least).to(self.dtype)
        table = scores.new_full((n_hyp, self.n_vocab), least)
        table.scatter_(1, ids, scores[:, :-1])
        table[:, BLANK] = least
        table[:, self.eos] = scores[:, -1]
        return table, (total, blank, last, *bounds)

    def _psi(self, phis: tuple[torch.Tensor, ...], rows: torch.Tensor) -> torch.Tensor:
        """Prefix scores of each ``phi`` with ``rows`` ``(N, P)``: ``(N, 3, P)``."""
        phi = torch.stack(phis, 1)[..., :-1]
        most = phi.amax(2, keepdim=True).clamp_(min=LOGZERO)
        weights = (phi - most).clamp_(min=NEGLIGIBLE).exp_()
        weights = F.threshold(weights, math.exp(NEGLIGIBLE + 1), 0.0)
        parts = rows.split(max(1, SCORED_AT_ONCE // phi[:, 0].numel()), dim=1)
        sums = [weights @ F.embedding(p, self.posteriors).mT for p in parts]
        return log(torch.cat(sums, 2)) + most

    def select_state(
        self, state: State | list[State | None], i: int, new_id: int | None = None
    ) -> State | None:
        """Return hypothesis ``i``, with the label ``new_id`` more if given."""
        if isinstance(state, list):
            return state[i]
        fields = (field[i] for field in state)
        if new_id is None:
            return tuple(fields)
        return extend(self.labels[new_id], *fields)

    def batch_select_state(self, state: State, best_ids: torch.Tensor) -> State:
        """Follow a beam's choice, ``(B, K)`` ids ``h * V + v``; see ESPnet."""
        n_hyp = len(state[0]) // len(best_ids)
        parents = best_ids.div(self.n_vocab, rounding_mode="trunc")
        parents = (parents + n_hyp * self.utterances[:, None]).flatten()
        fields = (field.index_select(0, parents) for field in state)
        return extend(best_ids.flatten() % self.n_vocab, *fields)


def extend(
    label: torch.Tensor,
    total: torch.Tensor,
    blank: torch.Tensor,
    last: torch.Tensor,
    *bounds: torch.Tensor,
) -> State:
    """Return a state with one label more, whose rows the next step will make."""
    return torch.where((label == last)[..., None], blank, total), label, *bounds


def log(p: torch.Tensor) -> torch.Tensor:
    """Log of probabilities, at least :data:`LOGZERO`."""
    return p.log().clamp_(min=LOGZERO)


def sums_before(x: torch.Tensor) -> torch.Tensor:
    """Sum ``x`` ``(N, T)`` before each boundary, ``(N, T + 1)``, in float64."""
    return F.pad(x.double().cumsum(1), (1, 0))


def logsumexp_before(y: torch.Tensor) -> torch.Tensor:
    """Log of the sum of ``exp(y[u])`` over ``u < t``, for each ``t``."""
    return F.pad(y[:, :-1].logcumsumexp(1), (1, 0), value=-torch.inf)
