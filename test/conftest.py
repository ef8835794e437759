"""Shared by all tests: fresh random inputs, whose seed is shown on failure."""

import os
import random

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def seed():
    """A new seed every run; ``MTLA_SEED=n pytest ...`` repeats one."""
    n = int(os.environ.get("MTLA_SEED") or random.SystemRandom().randrange(2**31))
    print(f"MTLA_SEED={n}")  # pytest shows it with a failure
    random.seed(n)
    np.random.seed(n)
    torch.manual_seed(n)
    return n
