"""What a benchmark's command sets for its whole process is undone behind a test."""

import logging

import pytest
import torch


@pytest.fixture(autouse=True)
def process():
    threads, level = torch.get_num_threads(), logging.root.manager.disable
    yield
    torch.set_num_threads(threads)
    logging.disable(level)
