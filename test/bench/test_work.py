from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.contender import contender
from bench.work import Case

# two utterances: ESPnet begins one alone with a single hypothesis
CASE = Case(utterances=2, beam=2, prompt=60, tokens=4, layers=1, vocabulary=50)


@pytest.mark.parametrize(
    "name",  # PyTorch does not count a packed product
    ["plain:mha", "plain:gqa", "plain:mla", "plain:mtla3", "tiled:mla", "espnet"],
)
@torch.no_grad()
def test_operations_are_those_that_run(name):
    c = contender(name, CASE)
    x = torch.randn(2, CASE.prompt, CASE.size)
    prompts, steps = FlopCounterMode(display=False), FlopCounterMode(display=False)
    with prompts:
        c.decoder.batch_init_state(x)
    with steps:
        c.decode(x, CASE.tokens)
    n_flops = steps.get_total_flops() - prompts.get_total_flops()
    assert c.cost.flops * CASE.tokens == pytest.approx(n_flops, rel=0.03)


@pytest.mark.parametrize("kind", ["mha", "gqa", "mla", "mtla2", "mtla4"])
@torch.no_grad()
def test_numbers_moved_are_those_of_weights_and_caches(kind):
    """Prompts are read, tails read and copied at a reorder, logits written and read."""
    case = replace(CASE, tokens=7)
    c = contender(f"ours:{kind}", case)
    decoder = c.decoder.decoder
    x = torch.randn(2, case.prompt, case.size)
    ys = torch.full((case.n_hyp, 1), 5)
    state = decoder.batch_init_state(x)
    prompt = state.nbytes() / 4
    # a tail's slot holds ``stride`` tokens: its mean length is that of the formula
    _, full = decoder.batch_score(ys, [state] * case.n_hyp, x)
    slot = (full.nbytes() / 4 - prompt) / full.tail.n_slots
    tail = slot * (case.tokens + 1) / 2 / decoder.attention.stride
    moved = prompt + 3 * tail + 2 * case.n_hyp * case.vocabulary
    for p in [*decoder.layers.parameters(), decoder.output_layer.weight]:
        moved += p.numel() if p.dim() > 1 else 0
    assert c.cost.numbers == pytest.approx(moved, rel=0.02)
