"""What a decoder hands to a beam search as its scorer state."""

import weakref
from functools import cached_property
from typing import TYPE_CHECKING, Self

import torch

from espnet_mtla.attention.cache import PromptCache, TailCache, Tails

if TYPE_CHECKING:
    from espnet_mtla.decoder.scorer import StepScorer


class DecoderState:
    """A prompt cache, and the tails of some hypotheses over it.

    Without a tail it is the initial state of every hypothesis. With one it
    holds ``N`` hypotheses, utterance-major, and is *consumed* by the next
    ``batch_score`` or ``batch_select_state``, which write into its buffers.

    Args:
        prompt: shared, never copied.
        tail: None before the first token, when ``begun`` is False.
        utterance: which prompt, for a single hypothesis copied out of a batch.
    """

    def __init__(
        self,
        prompt: PromptCache,
        tail: TailCache | None = None,
        utterance: int | None = None,
    ):
        self.begun = tail is not None
        if tail is not None:
            self.tail = tail
        self.utterance = utterance
        # A hypothesis that ended is kept until its batch is done, and longer by
        # a caller; it must not keep the prompts of the whole batch alive.
        batched = utterance is not None and len(prompt.lengths) > 1
        self._prompt = weakref.ref(prompt) if batched else lambda: prompt

    @property
    def prompt(self) -> PromptCache:
        """The prompt cache.

        Raises:
            RuntimeError: the batch that this hypothesis was copied from is gone.
        """
        prompt = self._prompt()
        if prompt is None:
            raise RuntimeError("this hypothesis's batch has ended; keep its state")
        return prompt

    @cached_property
    def lengths(self) -> torch.Tensor:
        """Prompt frames in front of each hypothesis's text, ``(N,)``."""
        lengths = self.prompt.lengths
        return lengths.repeat_interleave(self.tail.n_hyp // len(lengths))

    def step(self, decoder: "StepScorer", tokens: torch.Tensor) -> torch.Tensor:
        """Feed one token ``(N,)`` to every hypothesis; logits ``(N, V)``."""
        at = self.tail.place(self.lengths)
        return decoder.advance(tokens, self.prompt, self.tail, at)

    def select(self, i: int) -> "DecoderState":
        """Copy out hypothesis ``i`` (its tail alone)."""
        if not self.begun:
            return self
        share = self.tail.n_hyp // len(self.prompt.lengths)
        utterance = self.utterance if self.tail.n_hyp == 1 else i // share
        return DecoderState(self.prompt, self.tail.row(i), utterance or 0)

    def reorder(self, top_ids: torch.Tensor, n_vocab: int) -> Self:
        """Follow a beam's choice, ``(B, K)`` ids ``h * V + v``; see ESPnet."""
        share = self.tail.n_hyp // len(top_ids)
        first = torch.arange(len(top_ids), device=top_ids.device) * share
        parents = top_ids.div(n_vocab, rounding_mode="trunc") + first[:, None]
        self._follow(parents.flatten())
        return self

    def _follow(self, parents: torch.Tensor) -> None:
        self.tail.reorder(parents)

    def keep(self, rows: torch.Tensor) -> Self:
        """Drop all utterances but ``rows``, and all their hypotheses."""
        n_utt, n_hyp = len(self.prompt.lengths), self.tail.n_hyp
        hyps = torch.arange(n_hyp, device=rows.device).view(n_utt, -1)[rows]
        self.prompt.keep(rows)
        self.tail.keep(hyps.flatten())
        self.__dict__.pop("lengths", None)
        return self

    @classmethod
    def gather(cls, states: list["DecoderState"], attention: Tails) -> "DecoderState":
        """Hold a list of hypotheses, utterance-major, as one batched state.

        Raises:
            ValueError: they do not share a prompt, or are not the same number
                for each utterance, in order.
        """
        prompt = states[0].prompt
        n_utt = len(prompt.lengths)
        if len(states) % n_utt or any(s.prompt is not prompt for s in states):
            raise ValueError(f"{len(states)} hypotheses do not share {n_utt} prompts")
        if not states[0].begun:
            return cls(prompt, TailCache.build(prompt, attention, len(states)))
        share = len(states) // n_utt
        if any((s.utterance or 0) != i // share for i, s in enumerate(states)):
            raise ValueError("hypotheses are not utterance-major")
        return cls(prompt, TailCache.stack([s.tail for s in states]))

    def nbytes(self) -> int:
        """Bytes of the cache: prompts once, tails once a hypothesis."""
        return self.prompt.nbytes() + (self.tail.nbytes() if self.begun else 0)
