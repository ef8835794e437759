"""Jobs in several processes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from espnet_mtla.corpora.parallel import parallel_map
from espnet_mtla.errors import InputError

# Prints the workers' ids, then keeps them busy.
_BUSY = """
import os, time
from espnet_mtla.corpora.parallel import parallel_map

def work(job):
    os.write(1, f"{os.getpid()}\\n".encode())
    time.sleep(60)

list(parallel_map(work, range(2), 2))
"""


def _square(n):
    if n < 0:
        raise InputError(f"{n} is negative")
    return n * n


@pytest.mark.parametrize("nj", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_results_come_in_order(nj, count):
    assert list(parallel_map(_square, range(count), nj)) == [n**2 for n in range(count)]


@pytest.mark.parametrize("nj", [1, 2])
def test_an_exception_comes_through(nj):
    with pytest.raises(InputError, match="^-1 is negative$"):
        list(parallel_map(_square, [1, 2, -1, 3], nj))


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_end_when_their_parent_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", _BUSY], stdout=subprocess.PIPE
    ) as parent:
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(map(_alive, workers))
        os.kill(parent.pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while any(map(_alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(_alive, workers))
