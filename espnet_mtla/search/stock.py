"""ESPnet's own Transformer decoder and language model, over cached keys and values.

ESPnet's search keeps the outputs of their layers: at every token it projects keys and
values of the whole text again, and in a decoder those of the whole encoder output, for
each hypothesis. Here both are cached, as in decoders of ours: the encoder output's once
an utterance. It is the same modules that are run, so quantised and adapted layers are.
"""

from collections.abc import Callable

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

    def __init__(self, attention: torch.nn.Module, hides: bool = False):
        super().__init__()
        self.of = attention
        self.shape = attention.h, attention.d_k
        # a third buffer says which tokens are not seen
        self.tail_shapes = (self.shape,) * 2 + ((1, 1),) * hides

    @property
    def cache_elements(self) -> float:
        """Cached numbers a token, or a frame, and layer: keys and values."""
        return sum(heads * width for heads, width in (self.shape,) * 2)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """``(..., D)`` to ``(..., heads, w)``."""
        return x.unflatten(-1, self.shape)

    def cache_source(self, source: torch.Tensor) -> LayerCache:
        """Return keys and values of a ``(B, T, D)`` source."""
        keys = self.of.k_norm(self._heads(self.of.linear_k(source)))
        values = self._heads(self.of.linear_v(source))
        return LayerCache(*(x.transpose(1, 2).contiguous() for x in (keys, values)))

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

    def __init__(self, layer: torch.nn.Module):
        super().__init__()
        self.of = layer
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
        concat: torch.nn.Module | None = None,
    ) -> torch.Tensor:
        """Add a branch, with its norm before it or behind the sum."""
        before = self.of.normalize_before
        seen = norm(x) if before else x
        out = branch(seen)
        if concat is not None:
            out = concat(torch.cat((seen, out), dim=-1))
        return x + out if before else norm(x + out)


class StockScorer(torch.nn.Module, StepScorer):
    """ESPnet's ``TransformerDecoder`` or ``TransformerLM``; see :func:`stock_scorer`."""

    def __init__(
        self,
        embed: list[torch.nn.Module],
        layers: list[StockLayer],
        after: list[torch.nn.Module],
        output: torch.nn.Module | None,
    ):
        super().__init__()
        *before, self.position = embed
        self.embed = torch.nn.Sequential(*before)
        self.layers = torch.nn.ModuleList(layers)
        self.after = torch.nn.Sequential(*after)
        self.output_layer = output
        self.vocab_size = before[0].num_embeddings

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


def why_not_stock(scorer: object) -> str | None:
    """Say why a scorer is none that :func:`stock_scorer` takes; None where it is."""
    kind = type(scorer)
    if kind is compat.transformer_decoder():
        parts, attentions = scorer.decoders, ("self_attn", "src_attn")
        layer, (_, position) = compat.DecoderLayer, scorer.embed
        if type(scorer.embed[0]) is not torch.nn.Embedding:
            return "its input layer is not embed"
    elif kind is compat.transformer_lm():
        parts, attentions = scorer.encoder.encoders, ("self_attn",)
        layer, position = compat.EncoderLayer, scorer.encoder.embed[-1]
    else:
        return f"it is a {kind.__name__}"
    encodings = compat.PositionalEncoding, compat.ScaledPositionalEncoding
    if type(position) not in encodings and len(list(position.children())):
        return f"its positions are {type(position).__name__}"
    for part in parts:
        kinds = [type(getattr(part, name)) for name in attentions]
        for found, wanted in ((type(part), layer), *((k, compat.MultiHeadedAttention) for k in kinds)):
            if found is not wanted:
                return f"it has a {found.__name__}"
        if getattr(part, "sequential_attn", None) is not None:
            return "it attends to two sources"
    return None


def stock_scorer(scorer: torch.nn.Module) -> StockScorer:
    """Return one that scores as ESPnet's, of the same modules.

    Args:
        scorer: a ``TransformerDecoder`` or a ``TransformerLM``.

    Raises:
        ValueError: it is another; see :func:`why_not_stock`.
    """
    if why := why_not_stock(scorer):
        raise ValueError(why)
    if type(scorer) is compat.transformer_decoder():
        embed, stack, output = list(scorer.embed), scorer, scorer.output_layer
        layers = scorer.decoders
    else:
        embed, stack, output = [scorer.embed, *scorer.encoder.embed], scorer.encoder, scorer.decoder
        layers = stack.encoders
    after = [stack.after_norm] if stack.normalize_before else []
    made = StockScorer(embed, [StockLayer(layer) for layer in layers], after, output)
    return made.train(scorer.training)
