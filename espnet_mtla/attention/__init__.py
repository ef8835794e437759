"""Attention variants over ``[prompt ; text]``; see :mod:`.contract`."""

from espnet_mtla.attention.grouped import GroupedAttention
from espnet_mtla.attention.latent import LatentAttention
from espnet_mtla.attention.temporal import TemporalLatentAttention

__all__ = ["GroupedAttention", "LatentAttention", "TemporalLatentAttention"]
