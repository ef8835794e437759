"""Shared by all tests: fresh random inputs, whose seed is shown on failure."""

import os
import random

import numpy as np
import pytest
import torch


def draw_from(seed: int) -> None:
    """Begin all random numbers anew."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@pytest.fixture(autouse=True, scope="module")
def module_seed():
    """A new seed for each file and run, from which its shared fixtures draw too."""
    n = int(os.environ.get("MTLA_SEED") or random.SystemRandom().randrange(2**31))
    draw_from(n)
    return n


@pytest.fixture(autouse=True)
def seed(module_seed):
    """The file's seed; ``MTLA_SEED=n pytest ...`` repeats a test that failed with it."""
    print(f"MTLA_SEED={module_seed}")  # pytest shows it with a failure
    draw_from(module_seed)
    return module_seed
