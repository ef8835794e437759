"""What every attention variant offers to the decoder.

A variant attends from text tokens to ``[prompt ; text]`` in two ways that must
agree: :meth:`Attention.forward` teacher-forced, :meth:`Attention.step` one
token at a time over a cache whose prompt part exists once an utterance.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from espnet_mtla.attention.layout import Geometry, Layout
from espnet_mtla.attention.step import Step


@dataclass
class LayerCache:
    """What a layer caches of a batch of prompts, or of sources; never reordered.

    Attributes:
        keys: ``(B, G, S, w)``, contiguous, for ``G`` groups of heads and ``S``
            cached prompt positions (frames or complete chunks).
        values: ``(B, G, S, v)``; latent attention reads it from ``keys``.
        opening: slot 0 of the tail, one ``(B, G, w)`` a tail buffer, where the
            prompt ends in an open chunk; None where it never does. Its key is of no
            meaning: the text's first token brings one before anything reads it.
    """

    keys: torch.Tensor
    values: torch.Tensor
    opening: tuple[torch.Tensor, ...] | None = None

    @property
    def shared(self) -> bool:
        """Whether values are a view of keys."""
        return self.values.data_ptr() == self.keys.data_ptr()

    def tensors(self) -> list[torch.Tensor]:
        """Tensors that own memory (views of another are left out)."""
        owned = [self.keys] if self.shared else [self.keys, self.values]
        return owned + list(self.opening or ())

    def select(self, rows: torch.Tensor) -> "LayerCache":
        """Copy out the prompts ``rows``; a view of another stays one."""
        keys = self.keys[rows]
        width = self.values.shape[-1]
        values = keys[..., :width] if self.shared else self.values[rows]
        opening = self.opening and tuple(slot[rows] for slot in self.opening)
        return LayerCache(keys, values, opening)


class Attention(torch.nn.Module, ABC):
    """Self-attention of text over ``[prompt ; text]``, or over text alone.

    Text alone is a prompt of no frames: ``T`` and every length are 0.
    """

    stride: int = 1
    """Packed positions that share one cache slot."""
    rope_width: int
    """Channels rotated by position."""
    linear_out: torch.nn.Linear
    """From what all heads have seen to ``D`` channels."""
    chunk_width: int = 0
    """Width of the chunk embeddings it needs."""

    @property
    @abstractmethod
    def tail_shapes(self) -> tuple[tuple[int, int], ...]:
        """``(G, w)`` of each tail buffer."""

    @property
    def cache_elements(self) -> float:
        """Cached numbers a token and layer (paper, table of cache sizes)."""
        return sum(g * w for g, w in self.tail_shapes) / self.stride

    @property
    def geometry(self) -> Geometry:
        """How it counts positions."""
        return Geometry(self.rope_width, self.stride, self.chunk_width)

    def layout(self, lengths: torch.Tensor, n_frames: int, n_tokens: int) -> Layout:
        """Return the :class:`Layout` that :meth:`forward` expects."""
        return Layout(lengths, n_frames, n_tokens, self.geometry)

    @abstractmethod
    def forward(
        self, text: torch.Tensor, prompt: torch.Tensor, layout: Layout
    ) -> torch.Tensor:
        """Attend teacher-forced.

        Args:
            text: ``(B, L, D)``.
            prompt: ``(B, T, D)``, finite; frames beyond an utterance's length
                have no effect.

        Returns:
            ``(B, L, D)``.
        """

    @abstractmethod
    def cache_prompt(self, prompt: torch.Tensor, layout: Layout) -> LayerCache:
        """Return the part of the cache that all hypotheses share.

        Args:
            prompt: ``(B, T, D)``.
            layout: made with ``n_tokens`` 0.
        """

    @abstractmethod
    def step(
        self,
        x: torch.Tensor,
        prompt: LayerCache | None,
        prompt_unused: torch.Tensor | None,
        tail: tuple[torch.Tensor, ...],
        at: Step,
    ) -> torch.Tensor:
        """Attend from one new token a hypothesis and write it into the tail.

        Args:
            x: ``(N, D)``.
            prompt: this layer's prompt cache, ``B`` rows; ``N`` is a multiple.
                None for text alone.
            prompt_unused: cached positions that are padding, ``(B, 1, 1, S)``;
                None when there are none.
            tail: this layer's buffers, each ``(N, G, capacity, w)``, written in
                place.

        Returns:
            ``(N, D)``.
        """
