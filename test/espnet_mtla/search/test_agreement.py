"""Our search over views finds ESPnet's own n-best lists, whatever is set."""

import pytest
import torch
from settings import Setting

from espnet_mtla.search.slots import IMPOSSIBLE

SETTINGS, GROUPS = 200, 10


def n_best(hypotheses, n):
    """Tokens and scores of the best, without what CTC cannot say."""
    found = [(h.yseq.tolist(), float(h.score)) for h in hypotheses]
    return [(tokens, score) for tokens, score in found if score > IMPOSSIBLE][:n]


def agree(got, want):
    """Whether two lists are the same, but for the order of what scores the same."""
    if [tokens for tokens, _ in got] != [tokens for tokens, _ in want]:
        ties = {round(score, 3) for _, score in got}
        if len(ties) == len(got) or sorted(got) != pytest.approx(sorted(want)):
            return False
    return all(abs(a - b) < 1e-4 for (_, a), (_, b) in zip(got, want, strict=True))


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


@pytest.mark.parametrize("group", range(GROUPS))
@torch.no_grad()
def test_n_best_lists_are_espnets(group):
    for _ in range(SETTINGS // GROUPS):
        setting = Setting()
        assert not differences(setting), vars(setting)
