"""Attention variants over ``[prompt ; text]``, and over a source apart from it.

See :mod:`.contract` and :mod:`.source`.
"""

from espnet_mtla.attention.grouped import GroupedAttention
from espnet_mtla.attention.latent import LatentAttention
from espnet_mtla.attention.source import (
    GroupedSource,
    LatentSource,
    TemporalLatentSource,
)
from espnet_mtla.attention.temporal import TemporalLatentAttention

__all__ = [
    "GroupedAttention",
    "GroupedSource",
    "LatentAttention",
    "LatentSource",
    "TemporalLatentAttention",
    "TemporalLatentSource",
]
