"""MTLA: MLA whose latents are also merged along time (Deng and Woodland 2025).

A chunk's cached latent is ``c^_j = sum of w_i c_i`` over its tokens ``i``, with
``w_i = sigmoid(<linear_c(pe_j), linear_p(c_i)>)`` (:mod:`.hyper`), and its rotary key
is that of its newest token. A token sees the complete chunks before its own and the
partial sum of its own chunk; teacher-forced, columns are the prompt's ``C`` chunks
and one partial sum a token, of which those that complete a chunk are that chunk: so
scores are ``L x (C + L)``, in one product.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from espnet_mtla.attention.contract import LayerCache
from espnet_mtla.attention.hyper import HyperNetwork
from espnet_mtla.attention.latent import LatentAttention
from espnet_mtla.attention.layout import Layout
from espnet_mtla.attention.step import Step


class TemporalLatentAttention(HyperNetwork, LatentAttention):
    """Multi-head temporal latent attention over ``[prompt ; text]``.

    Args:
        size: model width ``D``.
        temporal_stride: ``s``, positions merged into one cache slot.
        latent: options of :class:`LatentAttention`.

    Raises:
        InputError: an option out of range.
    """

    def __init__(self, size: int, *, temporal_stride: int = 2, **latent):
        super().__init__(size, **latent)
        self._add_hyper_network(temporal_stride)

    def _weighted(
        self,
        x: torch.Tensor,
        phase: torch.Tensor,
        embedding: torch.Tensor,
        padding: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``w c``, ``(..., r)``, and rotary keys ``(..., d_r)``.

        Training does it twice: what lies between the down-projection and ``w c`` is
        several times its size, and quickly made again.

        Args:
            x: ``(..., D)``.
            phase: rotary phase of each position.
            embedding: ``pe_j`` of each position's chunk, ``(..., r)``.
            padding: see :meth:`_weigh`.
        """
        down = self.linear_kv_a(x)
        where = (phase, embedding, padding)
        if not down.requires_grad:
            return self._weigh_split(down, *where)
        return checkpoint(
            self._weigh_split,
            down,
            *where,
            use_reentrant=False,
            preserve_rng_state=False,
        )

    def _weigh_split(self, down, phase, embedding, padding):
        """:meth:`_weighted` of the down-projection ``(..., r + d_r)``."""
        latent, k_rope = self._split(down, phase)
        return self._weigh(latent, embedding, padding), k_rope

    def _open(self, chunks: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Pick each prompt's open chunk, ``(B, 1, r)``; zero if no frame is in it."""
        index = layout.prompt_chunks[:, None, None]
        return chunks.gather(1, index.expand(-1, -1, self.rank))

    def forward(
        self, text: torch.Tensor, prompt: torch.Tensor, layout: Layout
    ) -> torch.Tensor:
        """See :meth:`Attention.forward`."""
        weighted, keys = self._weighted(
            torch.cat((prompt, text), dim=1),
            layout.phase,
            layout.embedding,
            layout.padding,
        )
        frames, own = weighted.split((layout.n_frames, layout.n_tokens), dim=1)
        chunks = self._chunks(frames, layout.n_prompt_chunks)
        own = torch.cat((self._open(chunks, layout), own), dim=1)
        own = layout.partial_sums.to(own.dtype) @ own
        return self._attend(
            text,
            torch.cat((chunks, own), dim=1),
            keys.index_select(1, layout.columns),
            layout.chunk_mask,
            layout,
        )

    def cache_prompt(self, prompt: torch.Tensor, layout: Layout) -> LayerCache:
        """See :meth:`Attention.cache_prompt`; complete chunks and the open one."""
        weighted, keys = self._weighted(
            prompt, layout.prompt_phase, layout.prompt_embedding, layout.padding
        )
        chunks = self._chunks(weighted, layout.n_prompt_chunks)
        used = int(layout.prompt_chunks.max())  # once an utterance, not a step
        complete = keys[:, self.stride - 1 :: self.stride]
        slot = F.pad(self._open(chunks, layout), (0, self.rope_width))
        opening = None if self.stride == 1 else (slot,)
        return self._part(chunks[:, :used], complete[:, :used], opening)

    def _write(self, tail: torch.Tensor, x: torch.Tensor, at: Step) -> None:
        """Open a slot with the new token, or merge it into the newest one."""
        weighted, k_rope = self._weighted(x, at.phase, at.embedding)
        merged = tail[at.rows, 0, at.slot, : self.rank].masked_fill(at.opens, 0.0)
        tail[at.rows, 0, at.slot] = torch.cat((merged + weighted, k_rope), dim=-1)

    @classmethod
    def from_reference(cls, module: Any) -> "TemporalLatentAttention":
        """Return our attention with the weights of the authors' module.

        Args:
            module: an ``mtla.MultiheadTemporalLatentAttention`` (PyPI 0.3.2).
        """
        ours = cls(
            module.wo.out_features,
            temporal_stride=module.down_rate,
            attention_heads=module.num_heads,
            kv_lora_rank=module.kv_lora_rank,
            q_lora_rank=module.q_lora_rank,
            qk_nope_head_dim=module.qk_nope_head_dim,
            qk_rope_head_dim=module.qk_rope_head_dim,
            v_head_dim=module.v_head_dim,
            dropout_rate=module.dropout,
            bias=module.wo.bias is not None,
        )
        names = {
            "wq": "linear_q",
            "wq_a": "linear_q.0",
            "q_norm": "linear_q.1",
            "wq_b": "linear_q.2",
            "wkv_a": "linear_kv_a",
            "kv_norm": "kv_norm",
            "wkv_b": "linear_kv_b",
            "wo": "linear_out",
            "hypernet_down.fc_c": "linear_c",
            "hypernet_down.fc_p": "linear_p",
        }
        state = {"gate_gain": torch.tensor(1.0)}
        for key, value in module.state_dict().items():
            prefix, name = key.rsplit(".", 1)
            if key != "wkv_b.bias":  # the authors' code never reads it
                state[f"{names[prefix]}.{name}"] = value
        ours.load_state_dict(state)
        return ours.to(module.wo.weight).train(module.training)
