"""Time, memory and cache, measured."""

import time

import numpy as np
import torch

from espnet_mtla.decoder.variants import MTLADecoder
from espnet_mtla.search.meter import CacheMeter, Meter


def test_sees_time_and_a_peak_that_was_given_back():
    with Meter("cpu", period=0.005) as meter:
        held = np.ones(40_000_000 // 8)  # 40 MB, touched
        time.sleep(0.1)
        del held
        time.sleep(0.1)
    found = meter.result()
    assert 0.2 <= found["seconds"] < 5
    assert found["memory_is"] == "resident"
    assert found["peak_memory"] - min(meter._samples) >= 35_000_000
    assert found["average_memory"] < found["peak_memory"]


def test_keeps_the_largest_cache():
    decoder = MTLADecoder(5, 16, attention_heads=2, num_blocks=2).eval()
    meter = CacheMeter(decoder)
    assert meter.peak is None
    state, sizes = [decoder.batch_init_state(torch.randn(7, 16))], []
    for i in range(5):
        ys = torch.ones(1, i + 1, dtype=torch.long)
        _, state = decoder.batch_score(ys, state, None)
        sizes.append(state.nbytes())
    assert meter.peak == max(sizes) == sizes[-1] > sizes[0]
    decoder.batch_score(
        torch.ones(1, 1, dtype=torch.long),
        [decoder.init_state(torch.randn(2, 16))],
        None,
    )
    assert meter.peak == sizes[-1]
