"""One pre-norm decoder layer: attention over ``[prompt ; text]``, feed-forward."""

import torch

from espnet_mtla.attention.contract import Attention, LayerCache
from espnet_mtla.attention.layout import Layout
from espnet_mtla.attention.step import Step
from espnet_mtla.compat import PositionwiseFeedForward


class PreNormLayer(torch.nn.Module):
    """What the layers of all contexts consist of.

    Args:
        size: model width ``D``.
        self_attn: an attention variant.
        linear_units: width of the feed-forward.
        dropout_rate: of both branches and inside the feed-forward.
    """

    def __init__(
        self, size: int, self_attn: Attention, linear_units: int, dropout_rate: float
    ):
        super().__init__()
        self.self_attn = self_attn
        self.feed_forward = PositionwiseFeedForward(size, linear_units, dropout_rate)
        self.norm1 = torch.nn.LayerNorm(size)
        self.norm2 = torch.nn.LayerNorm(size)
        self.dropout = torch.nn.Dropout(dropout_rate)


class DecoderLayer(PreNormLayer):
    """A pre-norm layer whose prompt passes the same norm as its text.

    The authors' layer uses one norm before attention and again behind its
    residual, and leaves the prompt as it is; this is the plain form.
    """

    def layout(self, lengths: torch.Tensor, n_frames: int, n_tokens: int) -> Layout:
        """Return the layout of all layers.

        Args:
            lengths: encoder frames of each utterance, ``(B,)``.
            n_frames: ``T``, padded.
            n_tokens: ``L``, padded; 0 when only a prompt is cached.
        """
        return self.self_attn.layout(lengths, n_frames, n_tokens)

    def forward(
        self, text: torch.Tensor, prompt: torch.Tensor, layout: Layout
    ) -> torch.Tensor:
        """``(B, L, D)`` and ``(B, T, D)`` to ``(B, L, D)``."""
        seen = self.self_attn(self.norm1(text), self.norm1(prompt), layout)
        text = text + self.dropout(seen)
        return text + self.dropout(self.feed_forward(self.norm2(text)))

    def cache_prompt(self, prompt: torch.Tensor, layout: Layout) -> LayerCache:
        """Return what this layer caches of a ``(B, T, D)`` prompt."""
        return self.self_attn.cache_prompt(self.norm1(prompt), layout)

    def step(
        self,
        x: torch.Tensor,
        prompt: LayerCache,
        prompt_unused: torch.Tensor | None,
        tail: tuple[torch.Tensor, ...],
        at: Step,
    ) -> torch.Tensor:
        """One token a hypothesis, ``(N, D)`` to ``(N, D)``; see :class:`Attention`."""
        x = x + self.self_attn.step(self.norm1(x), prompt, prompt_unused, tail, at)
        return x + self.feed_forward(self.norm2(x))
