"""Batches: planned by length, halved when memory runs out."""

import random
import re

import pytest
import torch

from espnet_mtla.errors import InputError
from espnet_mtla.search.batch import Failure, frames_at, halving, plan_batches


def test_batches_hold_every_utterance_once_within_bounds():
    lengths = [random.randint(1, 900) for _ in range(random.randint(1, 200))]
    size, bound = random.randint(1, 20), random.randint(500, 4000)
    batches = plan_batches(lengths, size, bound)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[i] for i in batch)
        assert len(batch) <= size
        assert len(batch) == 1 or len(batch) * longest <= bound
    heads = [lengths[batch[0]] for batch in batches]
    assert heads == sorted(lengths[i] for i in (b[0] for b in batches))[::-1]


def test_without_a_bound_only_the_other_limits():
    assert [len(b) for b in plan_batches([5] * 10, 4, 0)] == [4, 4, 2]
    assert [len(b) for b in plan_batches([5] * 10, 0, 15)] == [3, 3, 3, 1]
    assert [len(b) for b in plan_batches([5] * 10, 0, 0)] == [10]


def test_frames_are_those_at_the_beam():
    """The paper's beams and frames, and what they are at others."""
    for frames, beam in ((50000, 50), (120000, 20), (130000, 10), (60000, 10)):
        assert frames_at(f"{frames}x{beam}", beam) == frames
        assert frames_at(f"{frames}x{beam}", 2 * beam) == frames // 2
        assert frames_at(f"{frames}x{beam}", 1) == frames * beam
        assert frames_at(frames, beam) == frames_at(str(frames), 1) == frames
    assert frames_at("0x5", 3) == frames_at(0, 3) == 0  # no bound
    assert frames_at("5x1", 50) == 1  # one by one is not without a bound


@pytest.mark.parametrize("bound", ["", "x5", "5x", "5x0", "-1", "1.5", "5x5x5", None])
def test_other_bounds_are_refused(bound):
    with pytest.raises(ValueError, match="give FRAMES, FRAMESxBEAM"):
        frames_at(bound, 3)


def test_none_is_padded_to_more_than_twice_its_own():
    lengths = [random.uniform(0, 9) for _ in range(40)] + [0.0]
    batches = plan_batches(lengths, 0, 0)
    assert sorted(i for batch in batches for i in batch) == list(range(41))
    for batch, following in zip(batches, [*batches[1:], None]):
        longest = lengths[batch[0]]
        assert all(longest / 2 <= lengths[i] <= longest for i in batch)
        if following:  # none is begun without need
            assert lengths[following[0]] < longest / 2


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
)
def test_halves_until_it_fits_and_keeps_the_order(error):
    batch = list(range(random.randint(4, 30)))
    room = random.randint(1, 5)
    tried = []

    def decode(items):
        tried.append(len(items))
        if len(items) > room:
            raise error
        return [i * 10 for i in items]

    names = [f"u{i}" for i in batch]
    assert halving(decode, batch, names) == [i * 10 for i in batch]
    assert (tried[0] > room) == (len(tried) > 1)


def test_one_utterance_that_does_not_fit_is_named():
    def decode(items):
        if 3 in items:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return items

    found = halving(decode, list(range(6)), [f"u{i}" for i in range(6)])
    assert found[:3] + found[4:] == [0, 1, 2, 4, 5]
    assert isinstance(found[3], Failure) and found[3].name == "u3"
    assert re.search("does not fit.*--beam_size", found[3].reason)


def test_what_fails_does_not_take_others_with_it():
    bad = random.sample(range(9), 2)

    def decode(items):
        if set(bad) & set(items):
            raise RuntimeError("shapes differ\nand more")
        return items

    found = halving(decode, list(range(9)), [f"u{i}" for i in range(9)])
    for i, result in enumerate(found):
        want = Failure(f"u{i}", "shapes differ") if i in bad else i
        assert result == want


def test_what_no_other_batch_would_mend_is_raised():
    def decode(items):
        raise InputError("the model gives NaN")

    with pytest.raises(InputError, match="^a: the model gives NaN$"):
        halving(decode, [1, 2], ["a", "b"])
