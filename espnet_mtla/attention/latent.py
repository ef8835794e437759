"""MLA: keys and values are up-projections of one cached latent (DeepSeek-V2).

Keys and values can be up-projected (64 + 32 and 64 numbers a head at the paper's
sizes); or the up-projections are absorbed into the query and the output, and all heads
read the ``r + d_r`` numbers of a latent and its key. Token by token they are absorbed;
teacher-forced they are where that takes fewer operations on a CPU.
"""

import torch
import torch.nn.functional as F

from espnet_mtla.attention.attend import attend
from espnet_mtla.attention.contract import Attention, LayerCache
from espnet_mtla.attention.layout import Layout
from espnet_mtla.attention.projections import LatentProjections
from espnet_mtla.attention.rope import apply_rope
from espnet_mtla.attention.step import Step


class LatentAttention(LatentProjections, Attention):
    """Multi-head latent attention over ``[prompt ; text]``.

    Its options are those of :class:`LatentProjections`.
    """

    rotated = True

    @property
    def tail_shapes(self) -> tuple[tuple[int, int], ...]:
        """A latent and a rotary key for all heads."""
        return ((1, self.rank + self.rope_width),)

    def _query(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``(..., D) -> (..., heads, nope)`` and ``(..., heads, d_r)``, unrotated."""
        q = self.linear_q(x).unflatten(-1, (self.n_heads, -1))
        return q.split((self.nope_width, self.rope_width), dim=-1)

    def _latent(
        self, x: torch.Tensor, phase: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``(..., D) -> (..., r)`` latent and ``(..., d_r)`` rotary key."""
        return self._split(self.linear_kv_a(x), phase)

    def _split(
        self, down: torch.Tensor, phase: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What :meth:`_latent` makes of the down-projection ``(..., r + d_r)``."""
        c, k = down.split((self.rank, self.rope_width), dim=-1)
        return self.kv_norm(c), apply_rope(k, phase)

    def _attend(
        self,
        text: torch.Tensor,
        latent: torch.Tensor,
        k_rope: torch.Tensor,
        mask: torch.Tensor,
        layout: Layout,
    ) -> torch.Tensor:
        """Attend teacher-forced.

        Args:
            text: ``(B, L, D)``.
            latent: columns that it may see, ``(B, C, r)``.
            k_rope: their rotated keys, ``(B, C, d_r)``.
            mask: which of them each token sees, ``(B, 1, L, C)``.

        Returns:
            ``(B, L, D)``.
        """
        q_nope, q_rope = self._query(text)  # (B, L, heads, ...)
        q_rope = apply_rope(q_rope, layout.text_phase.unsqueeze(2))
        options = {
            "dropout_p": self.dropout_rate if self.training else 0.0,
            "scale": self.scale,
        }
        if self._absorbs(latent, text.shape[1]):
            # heads share keys: they are more queries of one head
            query = torch.cat((self.linear_kv_b.absorb(q_nope), q_rope), dim=-1)
            seen = F.scaled_dot_product_attention(
                query.flatten(1, 2).unsqueeze(1),
                torch.cat((latent, k_rope.to(latent.dtype)), dim=-1).unsqueeze(1),
                latent.unsqueeze(1),
                attn_mask=mask.repeat_interleave(self.n_heads, dim=2),
                **options,
            )
            return self.combine(seen.squeeze(1).unflatten(1, (-1, self.n_heads)))
        k_nope, v = self.linear_kv_b.keys_values(latent)
        # autocast leaves normalised latents in float32, but not what it projects
        k_rope = k_rope.to(k_nope.dtype).unsqueeze(2).expand(-1, -1, self.n_heads, -1)
        out = F.scaled_dot_product_attention(
            torch.cat((q_nope, q_rope), dim=-1).transpose(1, 2),
            torch.cat((k_nope, k_rope), dim=-1).transpose(1, 2),
            v.transpose(1, 2),
            attn_mask=mask,
            **options,
        )
        return self.linear_out(out.transpose(1, 2).flatten(2))

    def _absorbs(self, latent: torch.Tensor, n_tokens: int) -> bool:
        """Whether absorbing takes fewer products than up-projecting, for a head.

        Short texts do, below some 85 tokens at the paper's sizes; then training need
        not keep up-projected columns either. On a CPU alone: it was not
        timed on a GPU, whose fused kernels take heads of up-projected widths.
        """
        if latent.device.type != "cpu":
            return False
        n_columns = latent.shape[1]
        up = (self.nope_width + self.value_width) * self.rank
        wide = 2 * self.rank - self.nope_width - self.value_width
        return n_tokens * (up + n_columns * wide) < n_columns * up

    def forward(
        self, text: torch.Tensor, prompt: torch.Tensor, layout: Layout
    ) -> torch.Tensor:
        """See :meth:`Attention.forward`."""
        latent, k_rope = self._latent(torch.cat((prompt, text), dim=1), layout.phase)
        return self._attend(text, latent, k_rope, layout.mask, layout)

    def _part(
        self, latent: torch.Tensor, k_rope: torch.Tensor, opening=None
    ) -> LayerCache:
        """One contiguous ``(B, 1, S, r + d_r)``; values are a view of it."""
        keys = torch.cat((latent, k_rope.to(latent.dtype)), dim=-1).unsqueeze(1)
        return LayerCache(keys, keys[..., : self.rank], opening)

    def cache_prompt(self, prompt: torch.Tensor, layout: Layout) -> LayerCache:
        """See :meth:`Attention.cache_prompt`."""
        return self._part(*self._latent(prompt, layout.prompt_phase))

    def _write(self, tail: torch.Tensor, x: torch.Tensor, at: Step) -> None:
        """Put new tokens ``(N, D)`` into their slot of the tail."""
        latent, k_rope = self._latent(x, at.phase)
        at.put(tail[..., : self.rank], latent.unsqueeze(1))
        at.put(tail[..., self.rank :], k_rope.unsqueeze(1))

    def step(
        self,
        x: torch.Tensor,
        prompt: LayerCache | None,
        prompt_unused: torch.Tensor | None,
        tail: tuple[torch.Tensor, ...],
        at: Step,
    ) -> torch.Tensor:
        """See :meth:`Attention.step`."""
        (buffer,) = tail
        self._write(buffer, x, at)
        # scaled here, where it is narrower than behind the up-projection
        q_nope, q_rope = (q * self.scale for q in self._query(x))
        q_rope = apply_rope(q_rope, at.phase.unsqueeze(1))
        query = torch.cat((self.linear_kv_b.absorb(q_nope), q_rope), dim=-1)
        return self.look(query, prompt, prompt_unused, buffer, at)

    def look(
        self,
        query: torch.Tensor,
        prompt: LayerCache | None,
        prompt_unused: torch.Tensor | None,
        buffer: torch.Tensor,
        at: Step,
    ) -> torch.Tensor:
        """What :meth:`step` makes of absorbed queries, scaled.

        ``(N, heads, r + d_r)`` to ``(N, D)``.
        """
        slots = buffer[:, :, : at.n_slots]
        out = attend(
            query.unsqueeze(1),
            prompt,
            prompt_unused,
            slots,
            slots[..., : self.rank],
            at.tail_unused,
        )
        return self.combine(out.squeeze(1))
