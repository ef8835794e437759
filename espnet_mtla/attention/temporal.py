"""MTLA: MLA whose latents are also merged along time (Deng and Woodland 2025).

A chunk's cached latent is ``c^_j = sum of w_i c_i`` over its tokens ``i``, with
``w_i = sigmoid(<linear_c(pe_j), linear_p(c_i)>)``, and its rotary key is that
of its newest token. A token sees the complete chunks before its own and the
partial sum of its own chunk; teacher-forced, columns are the prompt's ``C`` chunks
and one partial sum a token, of which those that complete a chunk are that chunk: so
scores are ``L x (C + L)``, in one product.

The weights ``w_i`` are learnt slowly. Before attention finds the prompt its frames are
noise to the text, and the shortest way to less noise is to close their gates; a gate
that closed lets through neither speech nor gradient. Adam moves each weight by about
the learning rate a step, whatever its gradient, and a score, ``r / 4`` products of two
sums of ``r`` numbers, moves by far more. So both factors are scaled by ``(r / 4)^-2``, and
gates move over thousands of steps (``docs/training.md`` has the curves). ``linear_c`` and
``linear_p`` can take in that gain, so the equations stay the paper's.
"""

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from espnet_mtla.attention.contract import PromptPart, positive
from espnet_mtla.attention.latent import LatentAttention
from espnet_mtla.attention.layout import Layout, Step, chunk_embedding
from espnet_mtla.attention.projections import LatentProjections


class TemporalProjections(LatentProjections):
    """Latents, and the hyper-network that weighs those of one chunk.

    Args:
        size: model width ``D``.
        temporal_stride: ``s``, positions merged into one cache slot.
        options: those of the class it is mixed into.

    Raises:
        InputError: ``temporal_stride`` is not a positive integer, or what
            :class:`LatentProjections` raises.
    """

    def __init__(self, size: int, *, temporal_stride: int = 2, **options):
        super().__init__(size, **options)
        self.stride = positive("temporal_stride", temporal_stride)
        hyper = max(1, self.rank // 4)
        self.chunk_width = self.rank
        self.linear_c = torch.nn.Linear(self.rank, hyper)
        self.linear_p = torch.nn.Linear(self.rank, hyper)
        # of both factors of a score: of the score itself half precision has no number
        self.register_buffer("gate_gain", torch.tensor(hyper**-2.0))
        # gates start at 0.5, so a weighted latent w c starts as large as MLA's c
        torch.nn.init.constant_(self.kv_norm.weight, 2.0)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        """Give older weights their gain: 1 in version 0.1.0, squared in 0.2.0."""
        if f"{prefix}linear_c.weight" in state_dict:  # not where a part is loaded
            scale = state_dict.pop(f"{prefix}gate_scale", torch.tensor(1.0))
            state_dict.setdefault(f"{prefix}gate_gain", scale.sqrt())
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _weigh(
        self,
        latent: torch.Tensor,
        embedding: torch.Tensor,
        padding: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """``w c`` of latents ``(..., r)``, given ``pe_j`` of each one's chunk.

        ``w`` is 0 where ``padding`` ``(...)`` says so.
        """
        code = self.gate_gain * self.linear_c(embedding.to(latent.dtype))
        score = (code * (self.gate_gain * self.linear_p(latent))).sum(-1, keepdim=True)
        gate = torch.sigmoid(score)
        if padding is not None:
            gate = gate.masked_fill(padding[..., None], 0.0)
        return gate * latent

    def _chunks(self, weighted: torch.Tensor, n_chunks: int) -> torch.Tensor:
        """Sum weighted frames ``(B, T, r)`` chunk by chunk, ``(B, n_chunks, r)``."""
        behind = n_chunks * self.stride - weighted.shape[1]
        whole = F.pad(weighted, (0, 0, 0, behind))
        return whole.unflatten(1, (-1, self.stride)).sum(2)


class TemporalLatentAttention(TemporalProjections, LatentAttention):
    """Multi-head temporal latent attention over ``[prompt ; text]``."""

    def gates(self, n_chunks: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what weighs the latents of each of the first chunks.

        All that :meth:`_weigh` knows of a chunk: ``w = sigmoid(<direction_j, c> +
        offset_j)``.

        Returns:
            Directions ``(n_chunks, r)`` and offsets ``(n_chunks,)``, float32.
        """
        weight = self.linear_p.weight
        j = torch.arange(n_chunks, device=weight.device)
        code = self.linear_c(chunk_embedding(j, self.chunk_width).to(weight.dtype))
        gain = self.gate_gain.float()
        code = code.float() * gain * gain
        return code @ weight.float(), code @ self.linear_p.bias.float()

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

    def cache_prompt(self, prompt: torch.Tensor, layout: Layout) -> PromptPart:
        """See :meth:`Attention.cache_prompt`; complete chunks and the open one."""
        weighted, keys = self._weighted(
            prompt, layout.prompt_phase, layout.prompt_embedding, layout.padding
        )
        chunks = self._chunks(weighted, layout.n_prompt_chunks)
        used = int(layout.prompt_chunks.max())  # once an utterance, not a step
        complete = keys[:, self.stride - 1 :: self.stride]
        # an open chunk has no key: the first token of the text brings it
        slot = F.pad(self._open(chunks, layout), (0, self.rope_width))
        opening = None if self.stride == 1 else (slot,)
        return self._part(chunks[:, :used], complete[:, :used], opening)

    def _write(self, tail: torch.Tensor, x: torch.Tensor, at: Step) -> None:
        """Open a slot with the new token, or merge it into the newest one."""
        weighted, k_rope = self._weighted(x, at.phase, at.embedding)
        merged = tail[at.rows, 0, at.slot, : self.rank].masked_fill(at.opens, 0.0)
        tail[at.rows, 0, at.slot] = torch.cat((merged + weighted, k_rope), dim=-1)

    @classmethod
    def from_reference(cls, module: torch.nn.Module) -> "TemporalLatentAttention":
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
