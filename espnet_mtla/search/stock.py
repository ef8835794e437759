"""ESPnet's own Transformer decoder and language model, over cached keys and values.

ESPnet's search keeps the outputs of their layers: at every token it projects keys and
values of the whole text again, and in a decoder those of the whole encoder output, for
each hypothesis. Here both are cached, as in decoders of ours: the encoder output's once
an utterance. It is the same modules that are run, so quantised and adapted layers are;
dynamically quantised ones round by all that is in a product, which is a token here and a
text in ESPnet's, so scores are near ESPnet's and not the same.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from espnet_mtla import compat
from espnet_mtla.attention.attend import attend
from espnet_mtla.attention.cache import PromptCache, TailCache
from espnet_mtla.attention.contract import LayerCache
from espnet_mtla.attention.layout import Geometry
from espnet_mtla.attention.step import Step
from espnet_mtla.decoder.scorer import StepScorer
from espnet_mtla.decoder.state import DecoderState

HIDDEN = 0
"""The token whose keys a language model does not see: padding, to ESPnet."""


class StockAttention(torch.nn.Module):
    """ESPnet's ``MultiHeadedAttention``, to text or to a source.

    Args:
        attention: whose modules it runs.
        hides: whether some of the text's tokens are not seen.
    """

    geometry = Geometry(rope_width=0)

    def __init__(self, attention: Any, hides: bool = False):
        super().__init__()
        self.of: Any = attention
        self.shape: tuple[int, int] = (attention.h, attention.d_k)
        self.hides = hides

    @property
    def tail_shapes(self) -> tuple[tuple[int, int], ...]:
        """Keys, values, and which tokens are not seen."""
        return (self.shape, self.shape, (1, 1)) if self.hides else (self.shape,) * 2

    @property
    def cache_elements(self) -> float:
        """Cached numbers a token, or a frame, and layer: keys and values."""
        return 2 * self.shape[0] * self.shape[1]

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """``(..., D)`` to ``(..., heads, w)``."""
        return x.unflatten(-1, self.shape)

    def cache_source(self, source: torch.Tensor) -> LayerCache:
        """Return keys and values of a ``(B, T, D)`` source."""
        keys = self.of.k_norm(self._heads(self.of.linear_k(source))).transpose(1, 2)
        values = self._heads(self.of.linear_v(source)).transpose(1, 2)
        return LayerCache(keys.contiguous(), values.contiguous())

    def look(
        self, x: torch.Tensor, source: LayerCache, unused: torch.Tensor | None
    ) -> torch.Tensor:
        """Attend from hypotheses ``(N, D)`` to their utterances' sources."""
        query = self.of.q_norm(self._heads(self.of.linear_q(x)))
        by_utt = query.unflatten(0, (len(source.keys), -1)).transpose(1, 2)
        used = None if unused is None else ~unused
        seen = F.scaled_dot_product_attention(
            by_utt, source.keys, source.values, attn_mask=used
        )
        return self.of.linear_out(seen.transpose(1, 2).flatten(2).flatten(0, 1))

    def step(
        self,
        x: torch.Tensor,
        tail: tuple[torch.Tensor, ...],
        unseen: torch.Tensor | None,
        at: Step,
    ) -> torch.Tensor:
        """Attend from one new token a hypothesis to its text, and cache it.

        Args:
            x: ``(N, D)``.
            tail: this layer's buffers.
            unseen: slots of the text that are not seen, ``(N, 1, 1, n)``, or None.
            at: which token it is.
        """
        keys, values = tail[:2]
        at.put(keys, self.of.k_norm(self._heads(self.of.linear_k(x))))
        at.put(values, self._heads(self.of.linear_v(x)))
        query = self.of.q_norm(self._heads(self.of.linear_q(x)))
        query = (query * self.shape[1] ** -0.5).unsqueeze(2)
        keys, values = (buffer[:, :, : at.n_slots] for buffer in (keys, values))
        out = attend(query, None, None, keys, values, unseen)
        return self.of.linear_out(out.flatten(1))


class StockLayer(torch.nn.Module):
    """ESPnet's ``DecoderLayer``, or the ``EncoderLayer`` of a language model."""

    def __init__(self, layer: Any):
        super().__init__()
        self.of: Any = layer
        reads = hasattr(layer, "src_attn")
        self.self_attn = StockAttention(layer.self_attn, hides=not reads)
        self.src_attn = StockAttention(layer.src_attn) if reads else None

    def step(
        self,
        x: torch.Tensor,
        source: LayerCache,
        source_unused: torch.Tensor | None,
        tail: tuple[torch.Tensor, ...],
        unseen: torch.Tensor | None,
        at: Step,
    ) -> torch.Tensor:
        """One token a hypothesis, ``(N, D)`` to ``(N, D)``."""
        of, norms = self.of, iter((self.of.norm1, self.of.norm2))
        x = self._add(
            x,
            next(norms),
            lambda text: self.self_attn.step(text, tail, unseen, at),
            of.concat_linear1 if of.concat_after else None,
        )
        if self.src_attn is not None:
            look = self.src_attn.look
            x = self._add(
                x,
                next(norms),
                lambda text: look(text, source, source_unused),
                of.concat_linear2 if of.concat_after else None,
            )
            norms = iter((of.norm3,))
        return self._add(x, next(norms), of.feed_forward)

    def _add(
        self,
        x: torch.Tensor,
        norm: torch.nn.Module,
        branch: Callable[[torch.Tensor], torch.Tensor],
        concat: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Add a branch, with its norm before it or behind the sum."""
        before = self.of.normalize_before
        seen = norm(x) if before else x
        out = branch(seen)
        if concat is not None:
            out = concat(torch.cat((seen, out), dim=-1))
        return x + out if before else norm(x + out)


class StockScorer(torch.nn.Module, StepScorer):
    """Scores as ESPnet's ``TransformerDecoder`` or ``TransformerLM`` does.

    Args:
        embed: modules from a token to a layer's input; the first is the embedding.
        position: what adds positions to that; any other module than ESPnet's two adds none.
        layers: ESPnet's.
        after: modules behind the last layer.
        output: from there to the vocabulary; None to return what is before it.
    """

    def __init__(
        self,
        embed: Sequence[torch.nn.Module],
        position: torch.nn.Module,
        layers: Sequence[torch.nn.Module],
        after: Sequence[torch.nn.Module],
        output: torch.nn.Module | None,
    ):
        super().__init__()
        self.embed: Any = torch.nn.Sequential(*embed)
        self.position: Any = position
        self.layers: Any = torch.nn.ModuleList(StockLayer(layer) for layer in layers)
        self.after = torch.nn.Sequential(*after)
        self.output_layer = output
        first: Any = embed[0]
        self.vocab_size = first.num_embeddings

    @property
    def attention(self) -> StockAttention:
        """See :attr:`StepScorer.attention`."""
        return self.layers[0].self_attn

    @torch.no_grad()
    def batch_init_state(
        self, x: torch.Tensor, xs_lengths: torch.Tensor | None = None
    ) -> DecoderState:
        """See :meth:`StateScorer.batch_init_state`."""
        x = x if x.dim() == 3 else x.unsqueeze(0)
        weight = self.embed[0].weight
        before_text = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        if self.layers[0].src_attn is None:
            nothing = weight.new_empty(len(x), 1, 0, 1)
            layers = [LayerCache(nothing, nothing) for _ in self.layers]
            return DecoderState(PromptCache(layers, before_text, None, (0, 0)))
        unused = None
        if xs_lengths is not None and bool((xs_lengths < x.shape[1]).any()):
            frames = torch.arange(x.shape[1], device=x.device)
            unused = frames >= xs_lengths.to(x.device)[:, None]
            x = x.masked_fill(unused[..., None], 0.0)  # it may hold anything
            unused = unused[:, None, None]
        layers = [layer.src_attn.cache_source(x) for layer in self.layers]
        return DecoderState(PromptCache(layers, before_text, unused, (0, 0)))

    def advance(
        self, tokens: torch.Tensor, prompt: PromptCache, tail: TailCache, at: Step
    ) -> torch.Tensor:
        """See :meth:`StepScorer.advance`."""
        x = self._placed(self.embed(tokens), at)
        unseen = at.tail_unused
        if len(tail.buffers) > 2:
            hidden = tail.layer(0)[2]  # the same in all layers
            at.put(hidden, (tokens == HIDDEN)[:, None, None].to(hidden))
            hides = hidden[:, :, : at.n_slots].mT > 0
            unseen = hides if unseen is None else hides | unseen
        for i, layer in enumerate(self.layers):
            x = layer.step(
                x, prompt.layers[i], prompt.unused, tail.layer(i), unseen, at
            )
        x = self.after(x)
        return x if self.output_layer is None else self.output_layer(x)

    def scores(self, logits: torch.Tensor) -> torch.Tensor:
        """See :meth:`StepScorer.scores`; hidden states where nothing maps them."""
        return logits if self.output_layer is None else super().scores(logits)

    def _placed(self, x: torch.Tensor, at: Step) -> torch.Tensor:
        """Add its position to a token's embedding."""
        position = self.position
        if not isinstance(position, compat.PositionalEncoding):
            return x
        position.extend_pe(x.new_empty(()).expand(1, at.n_slots))
        row = position.pe[0, at.index].view(1, -1)
        if isinstance(position, compat.ScaledPositionalEncoding):
            return x + position.alpha * row
        return x * position.xscale + row
