"""The hyper-network of MTLA: how much of each latent goes into its chunk.

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

from espnet_mtla.attention.checks import positive
from espnet_mtla.attention.layout import chunk_embedding
from espnet_mtla.attention.projections import LatentProjections


class HyperNetwork(LatentProjections):
    """What a latent form of attention needs to merge latents."""

    gate_gain: torch.Tensor

    def _add_hyper_network(self, temporal_stride: int) -> None:
        """Make its weights; ``temporal_stride`` positions are merged into one.

        Raises:
            InputError: ``temporal_stride`` is not a positive integer.
        """
        self.stride = positive("temporal_stride", temporal_stride)
        hyper = max(1, self.rank // 4)
        self.chunk_width = self.rank
        self.linear_c = torch.nn.Linear(self.rank, hyper)
        self.linear_p = torch.nn.Linear(self.rank, hyper)
        # of both factors of a score: of the score itself half precision has no number
        self.register_buffer("gate_gain", torch.tensor(hyper**-2.0))
        # gates start at 0.5, so a weighted latent w c starts as large as MLA's c
        torch.nn.init.constant_(self.kv_norm.weight, 2.0)
        self.register_load_state_dict_pre_hook(_gain_of_older)

    def _gate(self, latent: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """``w`` of latents ``(..., r)``, given ``pe_j`` of each one's chunk.

        ``(..., 1)``.
        """
        code = self.gate_gain * self.linear_c(embedding.to(latent.dtype))
        score = code * (self.gate_gain * self.linear_p(latent))
        return torch.sigmoid(score.sum(-1, keepdim=True))

    def _weigh(
        self,
        latent: torch.Tensor,
        embedding: torch.Tensor,
        padding: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """``w c``, see :meth:`_gate`; 0 where ``padding`` ``(...)`` says so."""
        gate = self._gate(latent, embedding)
        if padding is not None:
            gate = gate.masked_fill(padding[..., None], 0.0)
        return gate * latent

    def _chunks(self, weighted: torch.Tensor, n_chunks: int) -> torch.Tensor:
        """Sum weighted frames ``(B, T, r)`` chunk by chunk, ``(B, n_chunks, r)``."""
        behind = n_chunks * self.stride - weighted.shape[1]
        whole = F.pad(weighted, (0, 0, 0, behind))
        return whole.unflatten(1, (-1, self.stride)).sum(2)

    def gates(self, n_chunks: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what weighs the latents of each of the first chunks.

        All that :meth:`_gate` knows of a chunk: ``w = sigmoid(<direction_j, c> +
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


def _gain_of_older(module, state_dict, prefix, *_) -> None:
    """Give older weights their gain: 1 in version 0.1.0, squared in 0.2.0."""
    if f"{prefix}linear_c.weight" in state_dict:  # not where a part is loaded
        scale = state_dict.pop(f"{prefix}gate_scale", torch.tensor(1.0))
        state_dict.setdefault(f"{prefix}gate_gain", scale.sqrt())
