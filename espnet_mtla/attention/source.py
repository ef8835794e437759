"""Source attention: from text to the encoder output, as in an encoder-decoder.

What is cached exists once an utterance. Every text token sees all of it, so
one :meth:`SourceAttention.forward` serves both the tokens of a teacher-forced
text and the hypotheses of an utterance, in one product for all of them.

Nothing is rotated: no text position relates to a frame, and the encoder has
put positions into its output. So the latent forms have no decoupled rotary key
and cache ``r`` numbers a frame; up-projections are absorbed in training too,
which costs fewer operations while a text has fewer than some 85 tokens (at the
paper's sizes), and keeps the cache the only thing that attention reads.
"""

from abc import ABC, abstractmethod
from functools import cached_property

import torch
import torch.nn.functional as F

from espnet_mtla.attention.contract import LayerCache
from espnet_mtla.attention.grouped import GroupedProjections
from espnet_mtla.attention.hyper import HyperNetwork
from espnet_mtla.attention.layout import chunk_embedding
from espnet_mtla.attention.projections import LatentProjections


class SourceLayout:
    """Where the frames of a batch stand in their chunks, counted from 0.

    An utterance's last chunk may be partial: no text follows to complete it.

    Args:
        lengths: frames ``T_b`` of each utterance, ``(B,)``.
        n_frames: ``T``, the padded size.
        stride: frames merged into a chunk (1 where the form has no chunks).
        chunk_width: width of chunk embeddings (0 where there are none).
    """

    def __init__(
        self, lengths: torch.Tensor, n_frames: int, stride: int, chunk_width: int
    ):
        self.chunks = -(-lengths.to(torch.int64) // stride)  # (B,)
        self.n_chunks = -(-n_frames // stride)
        frames = torch.arange(n_frames, device=lengths.device)
        self.padding = frames >= lengths[:, None]  # (B, T)
        self.chunk = frames // stride  # (T,)
        self.chunk_width = chunk_width

    @cached_property
    def embedding(self) -> torch.Tensor:
        """Chunk embedding of each frame, ``(T, chunk_width)``."""
        return chunk_embedding(self.chunk, self.chunk_width)

    @cached_property
    def unused(self) -> torch.Tensor:
        """Chunks that are all padding, ``(B, 1, 1, C)``."""
        j = torch.arange(self.n_chunks, device=self.padding.device)
        return (j >= self.chunks[:, None])[:, None, None]


class SourceAttention(torch.nn.Module, ABC):
    """Attention of text to the frames of its utterance, with no causal mask."""

    stride: int = 1
    """Frames that share one cache slot."""
    chunk_width: int = 0
    """Width of the chunk embeddings it needs."""
    scale: float
    dropout_rate: float
    linear_out: torch.nn.Linear

    @property
    @abstractmethod
    def cache_elements(self) -> float:
        """Cached numbers a frame and layer."""

    def layout(self, lengths: torch.Tensor, n_frames: int) -> SourceLayout:
        """Return the :class:`SourceLayout` that :meth:`cache_source` expects."""
        return SourceLayout(lengths, n_frames, self.stride, self.chunk_width)

    @abstractmethod
    def cache_source(self, source: torch.Tensor, layout: SourceLayout) -> LayerCache:
        """Return keys and values of a ``(B, T, D)`` source, finite in its padding."""

    @abstractmethod
    def _query(self, text: torch.Tensor) -> torch.Tensor:
        """``(B, Q, D) -> (B, Q, G, M, w)``, ``M`` heads in each of ``G`` groups."""

    @abstractmethod
    def _out(self, seen: torch.Tensor) -> torch.Tensor:
        """``(B, Q, G, M, v) -> (B, Q, D)``."""

    def forward(
        self, text: torch.Tensor, cached: LayerCache, unused: torch.Tensor | None
    ) -> torch.Tensor:
        """Attend from each utterance's tokens, of one text or of many hypotheses.

        Args:
            text: ``(B, Q, D)``.
            cached: what :meth:`cache_source` returned.
            unused: cached positions that are padding, ``(B, 1, 1, S)``; None
                when there are none.

        Returns:
            ``(B, Q, D)``.
        """
        query = self._query(text).transpose(1, 2)  # (B, G, Q, M, w)
        seen = F.scaled_dot_product_attention(
            query.flatten(2, 3),
            cached.keys,
            cached.values,
            attn_mask=None if unused is None else ~unused,
            dropout_p=self.dropout_rate if self.training else 0.0,
            scale=self.scale,
        )
        return self._out(seen.unflatten(2, query.shape[2:4]).transpose(1, 2))


class GroupedSource(GroupedProjections, SourceAttention):
    """MHA, GQA or MQA; options are those of :class:`GroupedProjections`."""

    @property
    def cache_elements(self) -> float:
        """Keys and values of every group."""
        return 2 * self.n_groups * self.width

    def cache_source(self, source: torch.Tensor, layout: SourceLayout) -> LayerCache:
        """See :meth:`SourceAttention.cache_source`."""
        k, v = self.linear_k(source), self.linear_v(source)
        k, v = (self._heads(x, self.n_groups).contiguous() for x in (k, v))
        return LayerCache(k, v)

    def _query(self, text: torch.Tensor) -> torch.Tensor:
        query = self.linear_q(text)
        return query.unflatten(-1, (self.n_groups, -1, self.width))

    def _out(self, seen: torch.Tensor) -> torch.Tensor:
        return self.linear_out(seen.flatten(2))


class LatentSource(LatentProjections, SourceAttention):
    """Latent attention, whose keys and values are one latent a frame.

    Its options are those of :class:`LatentProjections`.
    """

    @property
    def cache_elements(self) -> float:
        """The latent."""
        return self.rank / self.stride

    def _latent(self, source: torch.Tensor) -> torch.Tensor:
        """``(B, T, D) -> (B, T, r)``."""
        return self.kv_norm(self.linear_kv_a(source))

    def cache_source(self, source: torch.Tensor, layout: SourceLayout) -> LayerCache:
        """See :meth:`SourceAttention.cache_source`."""
        latent = self._latent(source).unsqueeze(1)
        return LayerCache(latent, latent)

    def _query(self, text: torch.Tensor) -> torch.Tensor:
        query = self.linear_q(text).unflatten(-1, (self.n_heads, -1))
        return self.linear_kv_b.absorb(query).unsqueeze(2)

    def _out(self, seen: torch.Tensor) -> torch.Tensor:
        return self.combine(seen.squeeze(2))


class TemporalLatentSource(HyperNetwork, LatentSource):
    """Latent attention over chunks of ``s`` frames, each one merged latent.

    A chunk is the paper's ``c^_j = sum of w_i c_i`` over the utterance's own
    frames; there are ``ceil(T_b / s)``, the last of which may be partial.

    Args:
        size: model width ``D``.
        temporal_stride: ``s``, frames merged into one cache slot.
        latent: options of :class:`LatentSource`.

    Raises:
        InputError: an option out of range.
    """

    def __init__(self, size: int, *, temporal_stride: int = 2, **latent):
        super().__init__(size, **latent)
        self._add_hyper_network(temporal_stride)

    def cache_source(self, source: torch.Tensor, layout: SourceLayout) -> LayerCache:
        """See :meth:`SourceAttention.cache_source`."""
        latent = self._latent(source)
        weighted = self._weigh(latent, layout.embedding, layout.padding)
        chunks = self._chunks(weighted, layout.n_chunks).unsqueeze(1)
        return LayerCache(chunks, chunks)
