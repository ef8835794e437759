"""Our search over views finds ESPnet's own n-best lists, whatever is set.

``MTLA_SETTINGS=1000`` compares as many settings in the place of 60.
"""

import os

import pytest
import torch
from settings import Setting

from espnet_mtla.search.slots import IMPOSSIBLE

SETTINGS = int(os.environ.get("MTLA_SETTINGS", "60"))


def n_best(hypotheses, n):
    """Tokens and scores of the best, without what CTC cannot say."""
    found = [(h.yseq.tolist(), float(h.score)) for h in hypotheses]
    return [(tokens, score) for tokens, score in found if score > IMPOSSIBLE][:n]


def agree(got, want):
    """Whether two lists are the same, but for the order of what scores the same."""
    scores = [[score for _, score in hypotheses] for hypotheses in (got, want)]
    if scores[0] != pytest.approx(scores[1], abs=1e-4):
        return False
    # what scores as the last may stand for another that does
    sure = [tokens for tokens, score in want if score > want[-1][1] + 1e-3]
    return all(tokens in [t for t, _ in got] for tokens in sure)


def differences(setting):
    """Where ours alone, ours in a batch and ESPnet alone differ, for some sizes."""
    n = min(3, setting.beam)
    theirs, ours = setting.search(), setting.search(ours=True)
    quick = setting.search(ours=True, n_best=n)  # stops when those are settled
    batches = [
        s(setting.x, x_lengths=setting.frames, **setting.lengths) for s in (ours, quick)
    ]
    found = []
    for b, frames in enumerate(setting.frames.tolist()):
        x = setting.x[b, :frames]
        want = n_best(theirs(x, **setting.lengths), n)
        lists = {
            "alone": ours(x, **setting.lengths),
            "settled": quick(x, **setting.lengths),
            "in a batch": batches[0][b],
            "settled in a batch": batches[1][b],
        }
        for name, hypotheses in lists.items():
            got = n_best(hypotheses, n)
            if not agree(got, want):
                found.append((name, got, want))
    return found


@torch.no_grad()
def test_n_best_lists_are_espnets():
    for _ in range(SETTINGS):
        setting = Setting()
        assert not differences(setting), vars(setting)
