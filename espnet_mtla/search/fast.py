"""ESPnet's batched beam search with its bookkeeping in tensors.

ESPnet walks in Python over all hypotheses of a step, makes objects of those that
end and waits for the device to tell it which do. Here a step is operations on
tensors alone: hypotheses are ``(B, K)`` slots, choices are recorded, and
:class:`~espnet_mtla.search.history.History` makes the n-best lists at the end.
"""

from typing import Any

import torch

from espnet_mtla import compat
from espnet_mtla.decoder.scorer import StateScorer
from espnet_mtla.search.ctc import CTCPrefixScorer
from espnet_mtla.search.end import EndDetection, Outcomes, Settled
from espnet_mtla.search.history import Choice, History, NotANumber
from espnet_mtla.search.room import check_room
from espnet_mtla.search.slots import Slots

AHEAD = 2
"""Steps that a GPU may be behind when the host waits for one to end."""
FULL = 0.75
"""Finished utterances leave a batch when at most this share of it is left; their
leaving costs a copy of all others, about what one step reads."""
FULL_ON_GPU = 0.5
"""The same where steps are captured anew, which takes as long as five to ten of them."""


# what is looked up when this is imported is no type to mypy
class FastBeamSearch(compat.batch_beam_search()):  # type: ignore[misc]
    """``BatchBeamSearch`` whose own cost hardly shows; it finds the same.

    ``search.__class__ = FastBeamSearch`` makes one of ESPnet's. Hypotheses come
    without scorer states. Where there are fewer continuations than the beam is wide, it
    is not filled (ESPnet raises, or in a batch extends empty slots); a score of minus
    infinity does not make a hypothesis; nor does what CTC cannot say, where there is
    another. So hypotheses never depend on the batch.

    Scorers are asked as by ESPnet. Two methods that they may have help:
    ``batch_select_state`` (without it their states are selected one by one), and
    ``select_utterances(state, rows)``, which returns the state of utterances
    ``rows``, ``(B,)``. A decoder with the latter keeps what it needs of the
    encoder output and gets an empty one, where ESPnet would copy it for each
    hypothesis.
    """

    n_best = 0
    """How many hypotheses are asked for: a search ends when they cannot change any more,
    and may return few others. 0 asks for all that ESPnet's finds."""

    def _expand_over_beam(
        self, x: torch.Tensor, x_lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """``(B, T, D)`` to what decoders read, ``(N, T, D)``, and its mask."""
        decoders = (d for k, d in self.full_scorers.items() if "decoder" in k)
        if all(hasattr(d, "select_utterances") for d in decoders):
            return x.new_empty(len(x) * self.beam_size, 0, x.shape[-1]), None
        return super()._expand_over_beam(x, x_lengths)

    @torch.no_grad()
    def _search_loop(self, *args) -> list[list]:
        """Return the hypotheses that ended, for each utterance.

        Raises:
            NotANumber: scores that are none.
            MemoryError: the beam is wider than memory.
        """
        given = compat.SearchLoop(*args)
        if given.pre_xs is not None or not self._knows_all():
            return super()._search_loop(*args)
        x, n_utt, maxlens = given.x, given.n_utt, given.maxlens
        check_room(n_utt * self.beam_size, self.n_vocab, x)
        start = self.init_hyp(x, given.x_lengths) if given.batched else self.init_hyp(x)
        primer = start.yseq.view(n_utt, -1, start.yseq.shape[1])[:, 0]
        states = {k: state[0] for k, state in start.states.items()}
        shape = self.beam_size, self.n_vocab
        bounds = given.minlens, maxlens
        slots = Slots.start(primer, states, shape, given.xs, given.xs_mask, bounds)
        detections: list[EndDetection | Settled] = []
        if given.maxlenratio == 0.0:
            detections.append(EndDetection(slots.score))
        if self.n_best and (gain := self._gain()) is not None:
            detections.append(Settled(slots.score, self.n_best, gain))
        history = History(primer, self.n_vocab, list(states))
        outcomes = Outcomes(AHEAD if x.is_cuda else 0)
        for i in range(max(maxlens)):
            top_ids = self._step(slots)
            ended = self._end(slots, i, detections)
            history.choices.append(
                Choice(slots.rows, top_ids, ended, slots.score, slots.sums)
            )
            done = outcomes.exchange(slots.done)
            if done is None:
                continue
            left = [b for b, over in enumerate(done) if not over]
            if not left:
                break
            full = FULL_ON_GPU if x.is_cuda else FULL
            if len(left) <= full * len(done) and self._lets_go():
                self._keep(slots, detections, left)
                outcomes.clear()  # their rows are gone
        if bad := history.not_numbers():
            raise NotANumber(bad)
        return history.hypotheses(self.eos, maxlens)

    def _knows_all(self) -> bool:
        """Whether all that this search is set to do is done here."""
        windowed = compat.ctc_prefix_scorer()  # one window for all slots
        return not self.return_hs and all(
            hasattr(d, "batch_select_state")
            and not (isinstance(d, windowed) and d.window_margin > 0)
            for d in self.part_scorers.values()
        )

    def _gain(self) -> float | None:
        """Return the most that a token can add to a score; None where that is not known.

        Probabilities add nothing. Nor does a text's prefix score by CTC grow with it.
        """
        if self.normalize_length:
            return None
        gain = 0.0
        for k, d in self.scorers.items():
            if isinstance(d, compat.length_bonus()):
                gain += max(0.0, self.weights[k])
            elif not isinstance(
                d, StateScorer | CTCPrefixScorer | compat.score_filter()
            ):
                return None
        return gain

    def _step(self, slots: Slots) -> torch.Tensor:
        """Extend all hypotheses by a token; ``(B, K)`` choices ``h * V + v``."""
        mask = {} if slots.xs_mask is None else {"xs_mask": slots.xs_mask}
        scores, states = self.score_full(slots, slots.xs, **mask)
        total = slots.total.zero_()
        for k in self.full_scorers:
            total.add_(scores[k], alpha=self.weights[k])
        ids = None
        if self.do_pre_beam:
            key = self.pre_beam_score_key
            first = total if key == "full" else scores[key]
            ids = first.topk(self.pre_beam_size, dim=-1)[1]  # (N, S)
        part_scores, part_states = self.score_partial(slots, ids, slots.xs)
        for k in self.part_scorers:
            total.add_(part_scores[k], alpha=self.weights[k])
        total.add_(slots.score.view(-1, 1))
        total.masked_fill_(~slots.active.view(-1, 1), -torch.inf)
        n_utt = len(slots.score)
        score, top_ids = total.view(n_utt, -1).topk(self.beam_size, dim=-1)
        flat = top_ids
        if n_utt > 1:  # utterance b's hypotheses are b * K + h
            size = self.beam_size * self.n_vocab
            flat = top_ids + size * torch.arange(n_utt, device=total.device)[:, None]
        flat = flat.flatten()
        parents, tokens = flat // self.n_vocab, flat % self.n_vocab
        scores.update(part_scores)
        states.update(part_states)
        added = [scores[k][parents, tokens].to(score) for k in self.scorers]
        slots.extend(parents, tokens, score, torch.stack(added, dim=-1))
        for k, d in self.scorers.items():
            slots.states[k] = self._follow(d, states[k], top_ids, parents)
        return top_ids

    @staticmethod
    def _follow(scorer, state, top_ids: torch.Tensor, parents: torch.Tensor) -> Any:
        """Return a scorer's state of the hypotheses chosen."""
        if hasattr(scorer, "batch_select_state"):
            return scorer.batch_select_state(state, top_ids)
        if state is None:
            return [None] * len(parents)
        return [scorer.select_state(state, n) for n in parents.tolist()]

    def _end(
        self, slots: Slots, i: int, detections: list[EndDetection | Settled]
    ) -> torch.Tensor:
        """End hypotheses and utterances in step ``i``; those to return, ``(B, K)``."""
        stops = (slots.newest == self.eos) | (slots.most == i + 1)
        ended = slots.active & stops
        slots.active = slots.active ^ ended
        slots.done = slots.done | ~slots.active.any(1)
        ended = ended & (slots.fewest <= i)  # shorter ones are dropped
        left = slots.most - (i + 1)
        for detection in detections:
            over = detection.update(slots.score, ended, slots.active, left)
            slots.done = slots.done | over
        slots.active = slots.active & ~slots.done[:, None]
        return ended

    def _lets_go(self) -> bool:
        """Whether every scorer can go on without some utterances."""
        return all(
            hasattr(d, "select_utterances")
            # its states are one a hypothesis
            or not hasattr(d, "batch_select_state")
            for d in self.scorers.values()
        )

    def _keep(
        self, slots: Slots, detections: list[EndDetection | Settled], left: list[int]
    ) -> None:
        """Go on with the utterances ``left``."""
        rows = slots.keep(left)
        for detection in detections:
            detection.keep(rows)
        size = self.beam_size
        for k, d in self.scorers.items():
            state = slots.states[k]
            if hasattr(d, "select_utterances"):
                slots.states[k] = d.select_utterances(state, rows)
            else:
                slots.states[k] = [s for b in left for s in state[b * size :][:size]]
