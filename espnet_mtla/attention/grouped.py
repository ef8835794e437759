"""MHA, GQA and MQA: one class, told apart by ``num_kv_heads``.

::

    MHA  num_kv_heads = heads   q q q q      GQA  2   q q q q      MQA  1   q q q q
                                | | | |               \\| \\|               \\|_|_/
                                k k k k                k   k                 k
"""

import torch
import torch.nn.functional as F

from espnet_mtla.attention.attend import attend
from espnet_mtla.attention.checks import head_width, positive
from espnet_mtla.attention.contract import Attention, LayerCache
from espnet_mtla.attention.layout import Layout
from espnet_mtla.attention.rope import apply_rope
from espnet_mtla.attention.step import Step
from espnet_mtla.errors import InputError


class GroupedProjections(torch.nn.Module):
    """Queries, keys and values, of which query heads share ``num_kv_heads``.

    Args:
        size: model width ``D``.
        attention_heads: query heads.
        num_kv_heads: key and value heads (Shazeer 2019, Ainslie et al. 2023);
            as many as query heads when None.
        dropout_rate: of attention weights, in training.
        bias: whether the projections have a bias.

    Raises:
        InputError: heads that do not divide the width or each other, or that
            cannot be rotated.
    """

    rotated: bool = False
    """Whether position rotates queries and keys."""

    def __init__(
        self,
        size: int,
        *,
        attention_heads: int,
        num_kv_heads: int | None = None,
        dropout_rate: float = 0.0,
        bias: bool = False,
    ):
        super().__init__()
        width = head_width(size, attention_heads)
        if num_kv_heads is None:
            num_kv_heads = attention_heads
        if attention_heads % positive("num_kv_heads", num_kv_heads):
            raise InputError(
                f"num_kv_heads={num_kv_heads}: give a divisor of "
                f"attention_heads={attention_heads}"
            )
        if self.rotated and width % 2:
            raise InputError(
                f"attention_heads={attention_heads}: heads of {width} channels "
                "cannot be rotated, give a number that makes them even"
            )
        self.n_heads = attention_heads
        self.n_groups = num_kv_heads
        self.width = width
        self.rope_width = width if self.rotated else 0  # a whole head
        self.scale = width**-0.5
        self.dropout_rate = dropout_rate
        self.linear_q = torch.nn.Linear(size, size, bias=bias)
        self.linear_k = torch.nn.Linear(size, num_kv_heads * width, bias=bias)
        self.linear_v = torch.nn.Linear(size, num_kv_heads * width, bias=bias)
        self.linear_out = torch.nn.Linear(size, size, bias=bias)

    def _heads(self, x: torch.Tensor, n_heads: int) -> torch.Tensor:
        """``(..., S, n_heads * w) -> (..., n_heads, S, w)``."""
        return x.unflatten(-1, (n_heads, -1)).transpose(-3, -2)


class GroupedAttention(GroupedProjections, Attention):
    """Rotary attention over ``[prompt ; text]`` with grouped heads.

    Its options are those of :class:`GroupedProjections`.
    """

    rotated = True

    @property
    def tail_shapes(self) -> tuple[tuple[int, int], ...]:
        """Keys, and values."""
        return ((self.n_groups, self.width),) * 2

    def _keys_values(
        self, x: torch.Tensor, phase: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``(B, S, D) -> (B, G, S, w)`` twice; ``phase`` is ``(..., S, w / 2)``."""
        k = apply_rope(self._heads(self.linear_k(x), self.n_groups), phase)
        return k, self._heads(self.linear_v(x), self.n_groups)

    def forward(
        self, text: torch.Tensor, prompt: torch.Tensor, layout: Layout
    ) -> torch.Tensor:
        """See :meth:`Attention.forward`."""
        text_phase = layout.text_phase.unsqueeze(1)
        q = apply_rope(self._heads(self.linear_q(text), self.n_heads), text_phase)
        prompt_k, prompt_v = self._keys_values(prompt, layout.prompt_phase)
        text_k, text_v = self._keys_values(text, text_phase)
        out = F.scaled_dot_product_attention(
            q,
            torch.cat((prompt_k, text_k), dim=2),
            torch.cat((prompt_v, text_v), dim=2),
            attn_mask=layout.mask,
            dropout_p=self.dropout_rate if self.training else 0.0,
            enable_gqa=self.n_groups != self.n_heads,
        )
        return self.linear_out(out.transpose(1, 2).flatten(2))

    def cache_prompt(self, prompt: torch.Tensor, layout: Layout) -> LayerCache:
        """See :meth:`Attention.cache_prompt`."""
        keys, values = self._keys_values(prompt, layout.prompt_phase)
        return LayerCache(keys.contiguous(), values.contiguous())

    def step(
        self,
        x: torch.Tensor,
        prompt: LayerCache | None,
        prompt_unused: torch.Tensor | None,
        tail: tuple[torch.Tensor, ...],
        at: Step,
    ) -> torch.Tensor:
        """See :meth:`Attention.step`."""
        keys, values = tail
        phase = at.phase.unsqueeze(1)  # one for all heads of a hypothesis
        q = apply_rope(self.linear_q(x).unflatten(-1, (self.n_heads, -1)), phase)
        k = apply_rope(self.linear_k(x).unflatten(-1, (self.n_groups, -1)), phase)
        at.put(keys, k)
        at.put(values, self.linear_v(x).unflatten(-1, (self.n_groups, -1)))
        q = q * self.scale
        out = attend(
            q.unflatten(1, (self.n_groups, -1)),
            prompt,
            prompt_unused,
            keys[:, :, : at.n_slots],
            values[:, :, : at.n_slots],
            at.tail_unused,
        )
        return self.linear_out(out.flatten(1))
