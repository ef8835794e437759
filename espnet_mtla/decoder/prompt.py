"""The decoder: encoder output in front of the text, or attended to as a source.

It is an ESPnet decoder (``forward``) and a scorer of ESPnet's ``BeamSearch``
and ``BatchBeamSearch`` (the other public methods), in plain PyTorch; what makes a
search fast is in :mod:`espnet_mtla.search.view`.
"""

from typing import Any, ClassVar

import torch

from espnet_mtla.attention.cache import PromptCache, TailCache
from espnet_mtla.attention.checks import positive, rate
from espnet_mtla.attention.contract import Attention
from espnet_mtla.attention.step import Step
from espnet_mtla.compat import AbsDecoder
from espnet_mtla.decoder.cross import CrossLayer
from espnet_mtla.decoder.layer import DecoderLayer, PreNormLayer
from espnet_mtla.decoder.scorer import StepScorer
from espnet_mtla.decoder.state import DecoderState
from espnet_mtla.errors import InputError
from espnet_mtla.nearest import did_you_mean
from espnet_mtla.variant import COMMON, Variant


class PromptDecoder(AbsDecoder, StepScorer):
    """Decoder with one attention variant.

    Of each variant :func:`espnet_mtla.decoder.variants.decoder_class` makes a
    subclass.

    Its context is the paper's ``[prompt ; text]``, or that of an
    encoder-decoder: attention over text, then source attention of the same
    form over the encoder output. A layer caches ``attention.cache_elements``
    numbers a text token; a frame takes as many in a prompt, and
    ``layers[0].src_attn.cache_elements`` in a source.

    Default sizes are the paper's, at an encoder width of 512.

    Args:
        vocab_size: ``V``.
        encoder_output_size: encoder width, also the decoder's ``D``.
        context: ``prompt`` or ``cross``.
        attention_heads: query heads, ``d_h = D / attention_heads``.
        linear_units: width of the feed-forward.
        num_blocks: layers.
        dropout_rate: of embeddings, branches and feed-forwards.
        self_attention_dropout_rate: of attention weights.
        attention: the variant's own options.

    Raises:
        InputError: an unknown option, or one out of range.
    """

    variant: ClassVar[Variant]
    """What it attends with."""

    def __init__(
        self,
        vocab_size: int,
        encoder_output_size: int,
        *,
        context: str = COMMON["context"],
        attention_heads: int = COMMON["attention_heads"],
        linear_units: int = COMMON["linear_units"],
        num_blocks: int = COMMON["num_blocks"],
        dropout_rate: float = COMMON["dropout_rate"],
        self_attention_dropout_rate: float = COMMON["self_attention_dropout_rate"],
        **attention,
    ):
        super().__init__()
        size = encoder_output_size
        self._check_options(attention)
        if context not in ("prompt", "cross"):
            raise InputError(f"context={context!r}: give prompt or cross")
        positive("linear_units", linear_units)
        positive("num_blocks", num_blocks)
        rate("dropout_rate", dropout_rate)
        rate("self_attention_dropout_rate", self_attention_dropout_rate)
        self.vocab_size = vocab_size
        self.embed = torch.nn.Embedding(vocab_size, size)
        form_options = {
            "attention_heads": attention_heads,
            "dropout_rate": self_attention_dropout_rate,
            **self.variant.options,
            **attention,
            **self.variant.fixed,
        }
        over_prompt, to_source = self.variant.classes()
        self.projector: torch.nn.Module
        if context == "prompt":
            # paper: two linear layers with a ReLU, 512-256-512
            self.projector = torch.nn.Sequential(
                torch.nn.Linear(size, max(1, size // 2)),
                torch.nn.ReLU(),
                torch.nn.Linear(max(1, size // 2), size),
            )
        else:
            # not ESPnet's: a source has key and value projections of its own
            self.projector = torch.nn.Identity()

        def layer() -> PreNormLayer:
            self_attn = over_prompt(size, **form_options)
            if context == "prompt":
                return DecoderLayer(size, self_attn, linear_units, dropout_rate)
            src_attn = to_source(size, **form_options)
            return CrossLayer(size, self_attn, src_attn, linear_units, dropout_rate)

        self.layers: Any = torch.nn.ModuleList(layer() for _ in range(num_blocks))
        # As fairseq's decoders: PyTorch's own start is smaller, and with it
        # attention finds the prompt an epoch later.
        for p in [*self.projector.parameters(), *self.layers.parameters()]:
            if p.dim() > 1:
                torch.nn.init.xavier_uniform_(p)
        self.after_norm = torch.nn.LayerNorm(size)
        self.output_layer = torch.nn.Linear(size, vocab_size)
        self.dropout = torch.nn.Dropout(dropout_rate)

    @classmethod
    def _check_options(cls, given: dict) -> None:
        """Refuse options that this decoder does not have, with the nearest."""
        known = [*COMMON, *cls.variant.options]
        for name in given:
            if name not in known:
                raise InputError(
                    f"{cls.__name__} has no option {name!r}"
                    f"{did_you_mean(name, known)}; it has {', '.join(known)}"
                )

    @property
    def attention(self) -> Attention:
        """The first layer's attention; all layers are of one variant and size."""
        return self.layers[0].self_attn

    def _prompt(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Encoder output as layers see it; its padding may hold anything."""
        frames = torch.arange(x.shape[1], device=x.device)
        padding = (frames >= lengths[:, None]).unsqueeze(-1)
        return self.projector(x.masked_fill(padding, 0.0))

    def _embed(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.embed(tokens))

    def forward(
        self,
        hs_pad: torch.Tensor,
        hlens: torch.Tensor,
        ys_in_pad: torch.Tensor,
        ys_in_lens: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Score a text teacher-forced (ESPnet's ``AbsDecoder.forward``).

        Args:
            hs_pad: encoder output, ``(B, T, D)``.
            hlens: its lengths, ``(B,)``.
            ys_in_pad: tokens with ``<sos>`` in front, ``(B, L)``.
            ys_in_lens: their lengths, ``(B,)``.

        Returns:
            Logits ``(B, L, V)`` and ``ys_in_lens``.
        """
        hlens = hlens.to(hs_pad.device)
        prompt = self._prompt(hs_pad, hlens)
        text = self._embed(ys_in_pad)
        layout = self.layers[0].layout(hlens, prompt.shape[1], text.shape[1])
        for layer in self.layers:
            text = layer(text, prompt, layout)
        return self.output_layer(self.after_norm(text)), ys_in_lens

    @torch.no_grad()
    def batch_init_state(
        self, x: torch.Tensor, xs_lengths: torch.Tensor | None = None
    ) -> DecoderState:
        """See :meth:`StepScorer.batch_init_state`."""
        if x.dim() == 2:
            x = x.unsqueeze(0)
        if xs_lengths is None:
            xs_lengths = torch.full((len(x),), x.shape[1])
        lengths = xs_lengths.to(x.device, torch.int64)
        layout = self.layers[0].layout(lengths, x.shape[1], 0)
        prompt = self._prompt(x, lengths)
        cached = [layer.cache_prompt(prompt, layout) for layer in self.layers]
        return DecoderState(PromptCache.build(cached, layout, self.attention.stride))

    def advance(
        self, tokens: torch.Tensor, prompt: PromptCache, tail: TailCache, at: Step
    ) -> torch.Tensor:
        """See :meth:`StepScorer.advance`."""
        x = self._embed(tokens)
        for i, layer in enumerate(self.layers):
            x = layer.step(x, prompt.layers[i], prompt.unused, tail.layer(i), at)
        return self.output_layer(self.after_norm(x))
