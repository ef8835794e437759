"""Time, memory and cache, measured."""

import mmap
import time

import torch

from espnet_mtla.decoder.variants import MTLADecoder
from espnet_mtla.search.meter import CacheMeter, Meter


def test_sees_time_and_a_peak_that_was_given_back():
    def look():
        """Wait until memory was looked at, which takes a while on a busy machine."""
        wanted = len(meter._samples) + 3
        while len(meter._samples) < wanted:
            time.sleep(0.01)

    begin = time.perf_counter()
    with Meter("cpu", period=0.005) as meter:
        # of the system, as an allocator may have as much at hand
        held = mmap.mmap(-1, 40_000_000)
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
        look()
        held.close()
        look()
    found = meter.result()
    assert 0.01 <= found["seconds"] <= time.perf_counter() - begin + 1e-3
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
