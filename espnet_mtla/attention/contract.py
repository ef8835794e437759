"""What every attention variant offers to the decoder.

A variant attends from text tokens to ``[prompt ; text]`` in two ways that must
agree: :meth:`Attention.forward` teacher-forced, :meth:`Attention.step` one
token at a time over a cache whose prompt part exists once an utterance.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from espnet_mtla.attention.layout import Layout, Step
from espnet_mtla.errors import InputError
from espnet_mtla.onednn import product


@dataclass
class PromptPart:
    """One layer's cache of a batch of prompts, never copied or reordered.

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

    def tensors(self) -> list[torch.Tensor]:
        """Tensors that own memory (views of another are left out)."""
        shared = self.values.data_ptr() == self.keys.data_ptr()
        owned = [self.keys] if shared else [self.keys, self.values]
        return owned + list(self.opening or ())

    def select(self, rows: torch.Tensor) -> "PromptPart":
        """Copy out the prompts ``rows``; a view of another stays one."""
        shared = self.values.data_ptr() == self.keys.data_ptr()
        keys = self.keys[rows]
        values = keys[..., : self.values.shape[-1]] if shared else self.values[rows]
        opening = self.opening and tuple(slot[rows] for slot in self.opening)
        return PromptPart(keys, values, opening)


class Attention(torch.nn.Module, ABC):
    """Self-attention of text over ``[prompt ; text]``, or over text alone.

    Text alone is a prompt of no frames: ``T`` and every length are 0.
    """

    stride: int = 1
    """Packed positions that share one cache slot."""
    rope_width: int
    """Channels rotated by position."""
    chunk_width: int = 0
    """Width of the chunk embeddings it needs."""
    tail_shapes: tuple[tuple[int, int], ...]
    """``(G, w)`` of each tail buffer."""

    @property
    def cache_elements(self) -> float:
        """Cached numbers a token and layer (paper, table of cache sizes)."""
        return sum(g * w for g, w in self.tail_shapes) / self.stride

    def layout(self, lengths: torch.Tensor, n_frames: int, n_tokens: int) -> Layout:
        """Return the :class:`Layout` that :meth:`forward` expects."""
        return Layout(
            lengths,
            n_frames,
            n_tokens,
            self.rope_width,
            self.stride,
            self.chunk_width,
        )

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
    def cache_prompt(self, prompt: torch.Tensor, layout: Layout) -> PromptPart:
        """Return the part of the cache that all hypotheses share.

        Args:
            prompt: ``(B, T, D)``.
            layout: made with ``n_tokens`` 0.
        """

    @abstractmethod
    def step(
        self,
        x: torch.Tensor,
        prompt: PromptPart | None,
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


def attend(
    query: torch.Tensor,
    prompt: PromptPart | None,
    prompt_unused: torch.Tensor | None,
    tail_keys: torch.Tensor,
    tail_values: torch.Tensor,
    tail_unused: torch.Tensor | None,
) -> torch.Tensor:
    """Attend from one token a hypothesis to the shared prompt and its own tail.

    All hypotheses of an utterance, and all heads that share keys, meet its
    prompt in one matrix product.

    Args:
        query: ``(N, G, M, w)``, ``M`` heads in each of ``G`` groups; scaled.
        prompt: ``B`` rows of ``S`` positions; None for the tail alone.
        prompt_unused: padding, ``(B, 1, 1, S)``, or None.
        tail_keys: ``(N, G, n, w)``.
        tail_values: ``(N, G, n, v)``.
        tail_unused: ``(N, 1, 1, n)`` or None.

    Returns:
        ``(N, G, M, v)``.
    """
    if prompt is None:
        used = None if tail_unused is None else ~tail_unused
        return F.scaled_dot_product_attention(
            query, tail_keys, tail_values, attn_mask=used, scale=1.0
        )
    n_utt, n_groups, size, _ = prompt.keys.shape
    n_hyp, _, n_heads, width = query.shape
    folded = (n_utt, n_hyp // n_utt, n_groups, n_heads)  # (B, H, G, M)
    by_utt = query.view(*folded, width).transpose(1, 2).flatten(2, 3)
    scores = product(by_utt, prompt.keys.mT)  # (B, G, H * M, S)
    if prompt_unused is not None:
        scores.masked_fill_(prompt_unused, float("-inf"))
    scores = scores.unflatten(2, (folded[1], n_heads)).transpose(1, 2)
    own = query @ tail_keys.transpose(-1, -2)  # (N, G, M, n)
    if tail_unused is not None:
        own.masked_fill_(tail_unused, float("-inf"))
    scores = torch.cat((scores.reshape(n_hyp, n_groups, n_heads, size), own), dim=-1)
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    seen, own = weights.split((size, own.shape[-1]), dim=-1)
    seen = seen.view(*folded, size).transpose(1, 2).flatten(2, 3)
    out = product(seen, prompt.values)
    out = out.unflatten(2, (folded[1], n_heads)).transpose(1, 2)
    return out.reshape(n_hyp, n_groups, n_heads, -1) + own @ tail_values


def positive(name: str, value: int, least: int = 1) -> int:
    """Return an integer option, or say what is wrong with it.

    Raises:
        InputError: ``value`` is not an integer of at least ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name}={value!r}: give an integer of at least {least}")
    return value


def even(name: str, value: int) -> int:
    """Return an even option (rotated or paired channels).

    Raises:
        InputError: ``value`` is not a positive even integer.
    """
    if positive(name, value) % 2:
        raise InputError(f"{name}={value!r}: give an even number")
    return value


def rate(name: str, value: float) -> float:
    """Return a dropout rate.

    Raises:
        InputError: ``value`` is not a number of at least 0 and below 1.
    """
    if not isinstance(value, int | float) or not 0.0 <= value < 1.0:
        raise InputError(f"{name}={value!r}: give a number, 0 <= rate < 1")
    return value


def head_width(size: int, attention_heads: int) -> int:
    """Return ``d_h`` of ``attention_heads`` heads in a model of width ``size``.

    Raises:
        InputError: the heads do not divide the width.
    """
    positive("attention_heads", attention_heads)
    if size % attention_heads:
        raise InputError(
            f"attention_heads={attention_heads}: give a divisor of the width {size}"
        )
    return size // attention_heads
