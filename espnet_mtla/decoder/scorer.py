"""What scorers of a beam search have in common whose state is a decoder's."""

from abc import abstractmethod
from typing import Any

import torch

from espnet_mtla.attention.cache import PromptCache, TailCache, Tails
from espnet_mtla.attention.step import Step
from espnet_mtla.compat import BatchScorerInterface
from espnet_mtla.decoder.state import DecoderState


class StateScorer(BatchScorerInterface):
    """A scorer of ESPnet's searches and ours; all of it but how it scores."""

    vocab_size: int

    @abstractmethod
    def batch_init_state(
        self, x: torch.Tensor, xs_lengths: torch.Tensor | None = None
    ) -> DecoderState:
        """Cache the prompts of a search, once an utterance.

        Args:
            x: encoder output, ``(T, D)`` of one utterance or ``(B, T, D)``,
                not replicated over the beam.
            xs_lengths: ``(B,)``; None when every utterance fills ``T``.
        """

    def init_state(self, x: torch.Tensor) -> DecoderState:
        """Cache the prompt ``(T, D)`` of one utterance."""
        return self.batch_init_state(x)

    @abstractmethod
    def batch_score(
        self,
        ys: torch.Tensor,
        states: DecoderState | list[DecoderState],
        xs: torch.Tensor,
        xs_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, DecoderState]:
        """Score the next token of ``N`` hypotheses.

        Args:
            ys: tokens so far, ``(N, L)``; those behind the state are fed first,
                so a primer of several tokens works.
            states: a batched state, which is consumed; or a list of single
                ones, which are copied.
            xs: not read: the prompt is in the state.
            xs_mask: not read: neither is padding cached as visible.

        Returns:
            Log-probabilities ``(N, V)`` and the batched state.
        """

    def score(
        self, y: torch.Tensor, state: DecoderState, x: torch.Tensor
    ) -> tuple[torch.Tensor, DecoderState]:
        """Score one hypothesis ``(L,)``: ``(V,)`` and its state (``BeamSearch``)."""
        scores, state = self.batch_score(y.unsqueeze(0), [state], x.unsqueeze(0))
        return scores[0], state

    def select_state(
        self,
        state: DecoderState | list[DecoderState],
        i: int,
        new_id: int | None = None,
    ) -> DecoderState:
        """Copy hypothesis ``i`` out of a batched state, pinning nothing else."""
        return state[i] if isinstance(state, list) else state.select(i)

    def batch_select_state(
        self, state: DecoderState, top_ids: torch.Tensor
    ) -> DecoderState:
        """Reorder the tails to a beam's choice, ``(B, K)`` ids ``h * V + v``."""
        return state.reorder(top_ids, self.vocab_size)

    def select_utterances(
        self, state: DecoderState, rows: torch.Tensor
    ) -> DecoderState:
        """Reduce a batched state to its utterances ``rows``, ``(B,)``."""
        return state.keep(rows)


class StepScorer(StateScorer):
    """A scorer that feeds one token of each hypothesis after the other: :meth:`advance`."""

    layers: Any

    @property
    @abstractmethod
    def attention(self) -> Tails:
        """The first layer's attention; all layers are of one kind and size."""

    @abstractmethod
    def advance(
        self, tokens: torch.Tensor, prompt: PromptCache, tail: TailCache, at: Step
    ) -> torch.Tensor:
        """Write tokens ``(N,)`` into the tails; logits ``(N, V)``."""

    @torch.no_grad()
    def batch_score(
        self,
        ys: torch.Tensor,
        states: DecoderState | list[DecoderState],
        xs: torch.Tensor,
        xs_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, DecoderState]:
        """See :meth:`StateScorer.batch_score`."""
        if isinstance(states, list):
            states = DecoderState.gather(states, self.attention)
        if states.tail.length >= ys.shape[1]:
            raise RuntimeError("this state was consumed by an earlier batch_score")
        while states.tail.length < ys.shape[1]:
            logits = states.step(self, ys[:, states.tail.length])
        return self.scores(logits), states

    def scores(self, logits: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities of logits ``(N, V)``."""
        # float32 or wider: a search adds up those of many tokens
        dtype = torch.promote_types(logits.dtype, torch.float32)
        return logits.log_softmax(dim=-1, dtype=dtype)
