"""Rotary position embedding (Su et al. 2021), pairs of neighbouring channels.

The layout (channels ``2i`` and ``2i + 1`` form a pair, base 10000) is the one
of the authors' package ``mtla``, so that weights carry over unchanged.
"""

import torch

Phase = tuple[torch.Tensor, torch.Tensor]
"""Cosine and sine of the angles, float32, each ``(..., width / 2)``."""


def rope_phase(positions: torch.Tensor, width: int, base: float = 10000.0) -> Phase:
    """Return the angles of integer positions.

    Args:
        positions: ``(...)``, counted from 0 on the packed sequence.
        width: channels that are rotated, even.

    Returns:
        Cosine and sine, each ``(..., width / 2)``, float32 whatever the model's
        dtype: half precision cannot hold positions beyond 2048 (fp16) or 256
        (bf16).
    """
    i = torch.arange(0, width, 2, device=positions.device, dtype=torch.float32)
    angle = positions.to(torch.float32).unsqueeze(-1) * base ** (-i / width)
    return angle.cos(), angle.sin()


def apply_rope(x: torch.Tensor, phase: Phase) -> torch.Tensor:
    """Rotate ``x`` ``(..., width)`` by ``phase``, broadcast over leading axes."""
    cos, sin = phase
    pair = x.float().unflatten(-1, (-1, 2))
    even, odd = pair.unbind(-1)
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2).to(x.dtype)
