"""One function over many jobs, in this process or in several."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def parallel_map(
    function: Callable[[Job], Result], jobs: Sequence[Job], nj: int
) -> Iterator[Result]:
    """Yield ``function(job)`` for each job, in order, from ``nj`` processes.

    The first exception ends it: jobs that have not started are cancelled.
    """
    nj = min(nj, len(jobs))
    if nj <= 1:
        yield from map(function, jobs)
        return
    # Large enough to amortise the queue, small enough to share the work.
    chunk = max(1, min(100, len(jobs) // (8 * nj)))
    with ProcessPoolExecutor(nj, initializer=_end_with_parent) as pool:
        yield from pool.map(function, jobs, chunksize=chunk)


def _end_with_parent() -> None:
    """End this process when its parent is gone, even if that was killed.

    It would otherwise wait for jobs for ever, and write files a rerun has
    written already.
    """

    parent = multiprocessing.parent_process()
    assert parent  # this is a process of a pool

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
