"""The authors' attention module (PyPI ``mtla``) in our layers, driven as they do.

Their package has the module of MTLA alone; for their MHA and MLA see
:mod:`bench.peers.tiled`. The module keeps its own incremental state: the first step
takes each hypothesis's copy of the prompt and the first token together, later ones
concatenate, and a reorder gathers everything (``reorder_incremental_state``). Theirs
also gathers the copied encoder output at each reorder, and projects each copy of it;
this does not.
"""

import contextlib
import io
from collections.abc import Iterable
from typing import Any

import torch

from bench.peers import ours
from bench.peers.tiled import TiledScorer
from bench.work import Case
from espnet_mtla.attention import TemporalLatentAttention
from espnet_mtla.attention.layout import Layout
from espnet_mtla.decoder.prompt import PromptDecoder
from espnet_mtla.errors import InputError
from espnet_mtla.variant import parse


def authors_module() -> type:
    """Return the authors' class, without its warning about FlashAttention.

    Raises:
        InputError: their package is not installed.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from mtla import MultiheadTemporalLatentAttention
    except ImportError:
        raise InputError(
            "authors: install their package, pip install mtla==0.3.2"
        ) from None
    return MultiheadTemporalLatentAttention


def attention(size: int, heads: int, stride: int) -> torch.nn.Module:
    """Return their module at the paper's proportions, random weights."""
    width = size // heads
    return authors_module()(
        size,
        heads,
        kv_lora_rank=4 * width,
        qk_nope_head_dim=width,
        qk_rope_head_dim=width // 2,
        v_head_dim=width,
        down_rate=stride,
    )


def decoder(case: Case, variant: str, dtype: torch.dtype) -> "AuthorsDecoder":
    """Return a stack with random weights that never ends a text.

    Raises:
        InputError: another variant, or a type that their step counter cannot be
            kept in.
    """
    found, options = parse(variant)
    if found.name != "mtla" or options.get("temporal_stride") == 1:
        raise InputError(
            f"authors:{variant}: their package holds mtla alone, with a stride of "
            "2 or more; give tiled:... for their cache handling of the others"
        )
    if dtype != torch.float32:
        raise InputError(
            "authors: their step counter is kept in the model's type and is wrong in "
            "half precision; give --dtype float32"
        )
    return AuthorsDecoder(ours.decoder(case, variant))


class AuthorsState:
    """Their incremental state of ``N`` hypotheses.

    Args:
        modules: their attention modules, which know where in it they keep what.
    """

    def __init__(self, modules: Iterable[Any]):
        self.modules = modules
        self.incremental: dict = {}

    def gather(self, rows: torch.Tensor) -> "AuthorsState":
        """Reorder to hypotheses ``(N,)``."""
        for module in self.modules:
            module.reorder_incremental_state(self.incremental, rows)
        return self

    def nbytes(self) -> int:
        """Bytes held."""
        held = self.incremental.values()
        return sum(t.nbytes for buffers in held for t in buffers.values())


class AuthorsDecoder(TiledScorer):
    """Layers of ours around the authors' attention.

    Args:
        base: a decoder of ours. Its attention is given the same weights, so that
            the two can be compared.
    """

    def __init__(self, base: PromptDecoder):
        super().__init__(base.vocab_size)
        self.embed, self.projector = base.embed, base.projector
        self.after_norm, self.output_layer = base.after_norm, base.output_layer
        names = ("norm1", "norm2", "feed_forward")
        self.layers: Any = torch.nn.ModuleList(
            torch.nn.ModuleDict({name: getattr(layer, name) for name in names})
            for layer in base.layers
        )
        attn: Any = base.attention
        self.attention = torch.nn.ModuleList(
            attention(base.embed.embedding_dim, attn.n_heads, attn.stride)
            for _ in base.layers
        )
        for layer, module in zip(base.layers, self.attention):
            layer.self_attn = TemporalLatentAttention.from_reference(module)

    def batch_init_state(
        self, x: torch.Tensor, xs_lengths: torch.Tensor | None = None
    ) -> AuthorsState:
        """Keep the prompts ``(B, T, D)`` for the first step."""
        self.prompt = self.projector(x if x.dim() == 3 else x[None])
        return AuthorsState(self.attention)

    def batch_score(
        self, ys: torch.Tensor, states, xs: torch.Tensor
    ) -> tuple[torch.Tensor, AuthorsState]:
        """Score the next token of ``N`` hypotheses ``(N, L)``: ``(N, V)``."""
        state = states[0] if isinstance(states, list) else states
        first = not state.incremental
        n_hyp, n_frames = len(ys), self.prompt.shape[1]
        end = n_frames + ys.shape[1]
        position = torch.arange(
            0 if first else end - 1, end, device=ys.device, dtype=torch.float32
        ).expand(n_hyp, -1)
        if first:
            share = n_hyp // len(self.prompt)
            prompt = self.prompt.repeat_interleave(share, dim=0)
        x = self.embed(ys[:, -1:])  # (N, 1, D)
        for layer, module in zip(self.layers, self.attention):
            query = keys = layer["norm1"](x)
            if first:
                keys = torch.cat((layer["norm1"](prompt), query), dim=1)
            x = x + module(
                query,
                keys,
                keys,
                position=position,
                incremental_state=state.incremental,
            )
            x = x + layer["feed_forward"](layer["norm2"](x))
        logits = self.output_layer(self.after_norm(x[:, -1]))
        return logits.log_softmax(-1), state


class TrainedAttention(torch.nn.Module):
    """The authors' attention in the place of ours, teacher-forced.

    Args:
        base: ours, whose sizes it takes; its own weights are random.
    """

    def __init__(self, base: TemporalLatentAttention):
        super().__init__()
        self.layout = base.layout
        size = base.linear_out.out_features
        self.module = attention(size, base.n_heads, base.stride)

    def forward(
        self, text: torch.Tensor, prompt: torch.Tensor, layout: Layout
    ) -> torch.Tensor:
        """``(B, L, D)`` over an unpadded ``(B, T, D)``; see our ``Attention``."""
        packed = torch.cat((prompt, text), dim=1)
        position = torch.arange(
            packed.shape[1], device=text.device, dtype=torch.float32
        ).expand(len(text), -1)
        return self.module(text, packed, packed, position=position)
