"""Rotary phases turn pairs of channels, wherever they lie in memory."""

import math
import random

import pytest
import torch

from espnet_mtla.attention.latent import LatentAttention
from espnet_mtla.attention.rope import apply_rope, rope_phase


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_each_pair_is_turned_by_its_angle(dtype):
    width, n = 2 * random.randint(1, 9), random.randint(1, 5)
    positions = torch.randint(0, 3000, (n,))
    wide = torch.randn(n, 3 + width).to(dtype)
    x = wide[:, 3:]  # an odd offset, and strides that may be odd
    got = apply_rope(x, rope_phase(positions, width))
    assert got.dtype == dtype
    rows = zip(x.tolist(), positions.tolist(), got.tolist())
    for row, position, turned in rows:
        for i in range(0, width, 2):
            angle = position * 10000 ** (-i / width)
            cos, sin = math.cos(angle), math.sin(angle)
            want = row[i] * cos - row[i + 1] * sin, row[i] * sin + row[i + 1] * cos
            tolerance = 2e-2 if dtype == torch.bfloat16 else 2e-3
            assert turned[i : i + 2] == pytest.approx(list(want), abs=tolerance)


def test_one_token_of_one_head_with_an_odd_width_before_it():
    attention = LatentAttention(8, attention_heads=1, qk_nope_head_dim=5)
    layout = attention.layout(torch.tensor([3]), 3, 1)
    out = attention(torch.randn(1, 1, 8), torch.randn(1, 3, 8), layout)
    assert out.shape == (1, 1, 8) and out.isfinite().all()
