"""Latent attention whose steps run in Triton; needs Triton."""

import torch

from espnet_mtla.attention.contract import LayerCache
from espnet_mtla.attention.fused import attend_latent, attends, write
from espnet_mtla.attention.hyper import HyperNetwork
from espnet_mtla.attention.latent import LatentAttention
from espnet_mtla.attention.step import Step
from espnet_mtla.attention.temporal import TemporalLatentAttention
from espnet_mtla.search.tree import replaced

FORMS = (LatentAttention, TemporalLatentAttention)
"""What the kernels compute: a subclass of these may compute something else."""


class FusedAttention(torch.nn.Module):
    """The steps of a latent attention, in the kernels of :mod:`espnet_mtla.attention.fused`.

    Args:
        attention: whose weights are used; they stay as they are.
        n_chunks: chunks that a step can be in.
    """

    def __init__(self, attention: LatentAttention, n_chunks: int):
        super().__init__()
        self.attention = attention
        self.gates = None
        if isinstance(attention, HyperNetwork):
            self.gates = attention.gates(n_chunks)

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
        attention = self.attention
        query = write(attention, x, buffer, at, self.gates)
        if not attends(query, attention.rank):
            return attention.look(query, prompt, prompt_unused, buffer, at)
        out = attend_latent(query, prompt, buffer, at, attention.rank)
        return attention.combine(out)


@torch.no_grad()
def fuse[M: torch.nn.Module](model: M, n_chunks: int) -> M:
    """Return a model whose latent attention steps in Triton, all else of which it shares.

    Args:
        model: which is not changed.
        n_chunks: chunks that a step can be in.
    """

    def fused(part: torch.nn.Module) -> torch.nn.Module:
        if isinstance(part, FORMS) and type(part) in FORMS:
            return FusedAttention(part, n_chunks)
        return part

    return replaced(model, fused)
