"""The seed that a failure shows repeats what was drawn, shared fixtures included."""

import random

import numpy as np
import pytest
import torch


def draw():
    return random.random(), np.random.rand(), torch.rand(()).item()


@pytest.fixture(scope="module")
def shared():
    return draw()


def test_a_shared_fixture_is_drawn_from_it(shared, seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    assert draw() == shared


def test_each_test_begins_with_it(shared):
    assert draw() == shared
