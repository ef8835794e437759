"""Time, memory and cache of decoding a test set, as the paper measures them.

Time is the wall time of decoding without loading the model. Memory is averaged
over that time, and its peak: what the device's allocator holds on a GPU, the
resident set on a CPU. Cache bytes are counted in the decoder's own states.
"""

import functools
import threading
import time
from typing import Any, Self

import psutil
import torch


class Meter:
    """Context manager: wall time, average and peak memory of its body.

    Args:
        device: ``cpu`` or ``cuda...``.
        period: seconds between two samples of memory.
    """

    def __init__(self, device: str, period: float = 0.05):
        self.cuda = device.startswith("cuda")
        self.period = period
        self._samples: list[int] = []
        self._stop = threading.Event()

    def _memory(self) -> int:
        if self.cuda:
            return torch.cuda.memory_allocated()
        return self._process.memory_info().rss

    def _watch(self) -> None:
        while not self._stop.wait(self.period):
            self._samples.append(self._memory())

    def __enter__(self) -> Self:
        self._process = psutil.Process()
        if self.cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self._samples.append(self._memory())
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *exc) -> None:
        if self.cuda:
            torch.cuda.synchronize()
        self.seconds = time.perf_counter() - self._start
        self._stop.set()
        self._thread.join()
        self._samples.append(self._memory())

    def result(self) -> dict:
        """Return ``seconds``, ``average_memory`` and ``peak_memory`` (bytes)."""
        peak = max(self._samples)
        if self.cuda:
            peak = torch.cuda.max_memory_allocated()
        return {
            "seconds": round(self.seconds, 3),
            "average_memory": sum(self._samples) // len(self._samples),
            "peak_memory": peak,
            "memory_is": "allocated" if self.cuda else "resident",
        }


class CacheMeter:
    """Watches a decoder's states and keeps the largest cache seen.

    Args:
        decoder: a scorer whose ``batch_score`` returns states with ``nbytes``;
            other decoders are left alone and their cache counts as unknown.
    """

    def __init__(self, decoder: Any):
        self.peak: int | None = None
        score = getattr(decoder, "batch_score", None)
        if score is None:  # as of ESPnet's RNNDecoder
            return

        @functools.wraps(score)  # ESPnet's search looks at the signature for xs_mask
        def watched(*args, **kwargs):
            scores, state = score(*args, **kwargs)
            if hasattr(state, "nbytes"):
                self.peak = max(self.peak or 0, state.nbytes())
            return scores, state

        decoder.batch_score = watched
