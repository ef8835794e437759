"""Rotary position embedding (Su et al. 2021), pairs of neighbouring channels.

The layout (channels ``2i`` and ``2i + 1`` form a pair, base 10000) is the one
of the authors' package ``mtla``, so that weights carry over unchanged.
"""

import torch


def rope_phase(
    positions: torch.Tensor, width: int, base: float = 10000.0
) -> torch.Tensor:
    """Return the phases of integer positions, complex numbers of absolute value 1.

    Args:
        positions: ``(...)``, counted from 0 on the packed sequence.
        width: channels that are rotated, even.

    Returns:
        ``(..., width / 2)``, two float32 whatever the model's dtype: half precision
        cannot hold positions beyond 2048 (fp16) or 256 (bf16).
    """
    i = torch.arange(0, width, 2, device=positions.device, dtype=torch.float32)
    angle = positions.to(torch.float32).unsqueeze(-1) * base ** (-i / width)
    return torch.polar(torch.ones_like(angle), angle)


def apply_rope(x: torch.Tensor, phase: torch.Tensor) -> torch.Tensor:
    """Rotate ``x`` ``(..., width)`` by ``phase``, broadcast over leading axes."""
    # as complex numbers: one product where pairs take four, two sums and a copy
    wide = x.to(torch.promote_types(x.dtype, torch.float32)).unflatten(-1, (-1, 2))
    turned = torch.complex(*wide.unbind(-1)).mul_(phase)
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)
