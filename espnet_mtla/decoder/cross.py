"""One pre-norm encoder-decoder layer: text, source attention, feed-forward.

ESPnet's classical shape (Vaswani et al. 2017, pre-norm): the source is the
encoder output as it is, with neither a projector nor a norm of the decoder's.
"""

from dataclasses import dataclass

import torch

from espnet_mtla.attention.contract import Attention, LayerCache
from espnet_mtla.attention.layout import Layout
from espnet_mtla.attention.source import SourceAttention, SourceLayout
from espnet_mtla.attention.step import Step
from espnet_mtla.decoder.layer import PreNormLayer


@dataclass
class CrossLayout:
    """Where text tokens stand behind no prompt, and frames by themselves."""

    text: Layout
    source: SourceLayout

    @property
    def lengths(self) -> torch.Tensor:
        """Frames in front of each text, ``(B,)``: none."""
        return self.text.lengths

    @property
    def cached(self) -> torch.Tensor:
        """Cached positions of each source, ``(B,)``."""
        return self.source.chunks


class CrossLayer(PreNormLayer):
    """A pre-norm layer with self-attention over text and source attention.

    Args:
        size: model width ``D``.
        self_attn: an attention variant.
        src_attn: a form of source attention.
        linear_units: width of the feed-forward.
        dropout_rate: of the branches and inside the feed-forward.
    """

    def __init__(
        self,
        size: int,
        self_attn: Attention,
        src_attn: SourceAttention,
        linear_units: int,
        dropout_rate: float,
    ):
        super().__init__(size, self_attn, linear_units, dropout_rate)
        self.src_attn = src_attn
        self.src_norm = torch.nn.LayerNorm(size)

    def layout(
        self, lengths: torch.Tensor, n_frames: int, n_tokens: int
    ) -> CrossLayout:
        """Return the layout of all layers, as ``DecoderLayer.layout``."""
        return CrossLayout(
            self.self_attn.layout(torch.zeros_like(lengths), 0, n_tokens),
            self.src_attn.layout(lengths, n_frames),
        )

    def forward(
        self, text: torch.Tensor, source: torch.Tensor, layout: CrossLayout
    ) -> torch.Tensor:
        """``(B, L, D)`` and ``(B, T, D)`` to ``(B, L, D)``."""
        seen = self.self_attn(self.norm1(text), source[:, :0], layout.text)
        text = text + self.dropout(seen)
        cached = self.cache_prompt(source, layout)
        seen = self.src_attn(self.src_norm(text), cached, layout.source.unused)
        text = text + self.dropout(seen)
        return text + self.dropout(self.feed_forward(self.norm2(text)))

    def cache_prompt(self, source: torch.Tensor, layout: CrossLayout) -> LayerCache:
        """Return keys and values of a ``(B, T, D)`` source."""
        return self.src_attn.cache_source(source, layout.source)

    def step(
        self,
        x: torch.Tensor,
        source: LayerCache,
        source_unused: torch.Tensor | None,
        tail: tuple[torch.Tensor, ...],
        at: Step,
    ) -> torch.Tensor:
        """One token a hypothesis, ``(N, D)`` to ``(N, D)``."""
        x = x + self.self_attn.step(self.norm1(x), None, None, tail, at)
        by_utt = self.src_norm(x).unflatten(0, (len(source.keys), -1))  # (B, H, D)
        x = x + self.src_attn(by_utt, source, source_unused).flatten(0, 1)
        return x + self.feed_forward(self.norm2(x))
