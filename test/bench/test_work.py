import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.peers import contender
from bench.work import Case

# two utterances: ESPnet begins one alone with a single hypothesis
CASE = Case(utterances=2, beam=2, prompt=60, tokens=4, layers=1, vocabulary=50)


@pytest.mark.parametrize(
    "name", ["ours:mha", "ours:gqa", "ours:mla", "ours:mtla3", "tiled:mla", "espnet"]
)
@torch.no_grad()
def test_operations_are_those_that_run(name):
    c = contender(name, CASE)
    c.decoder.packing = False  # PyTorch does not count a packed product
    x = torch.randn(2, CASE.prompt, CASE.size)
    prompts, steps = FlopCounterMode(display=False), FlopCounterMode(display=False)
    with prompts:
        c.decoder.batch_init_state(x)
    with steps:
        c.decode(x, CASE.tokens)
    n_flops = steps.get_total_flops() - prompts.get_total_flops()
    assert c.cost.flops * CASE.tokens == pytest.approx(n_flops, rel=0.03)
