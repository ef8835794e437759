"""The embedding of text."""

import random

import pytest
import torch

from espnet_mtla.compat import Embedding
from espnet_mtla.frontend import TextEmbedding


@torch.no_grad()
def test_embeddings_are_as_loud_as_positions():
    size = random.choice([64, 144, 512])
    units, length = random.randint(500, 900), random.randint(20, 60)
    text = torch.randint(units, (8, length))
    lengths = torch.randint(1, length + 1, (8,))
    ours = TextEmbedding(units, size).eval()
    embedded, kept = ours(text, lengths)
    assert kept is lengths and embedded.shape == (8, length, ours.output_size())
    weight = ours.embed[0].weight
    positions = embedded - weight[text] * size**0.5
    assert torch.allclose(positions, positions[:1].expand_as(positions), atol=1e-5)
    assert float(positions.square().mean()) == pytest.approx(0.5)  # sines and cosines
    assert float((embedded - positions).square().mean()) == pytest.approx(1, rel=0.1)


def test_weights_are_those_of_espnets_embedding():
    theirs, ours = Embedding(9, 6).eval(), TextEmbedding(9, 6).eval()
    ours.load_state_dict(theirs.state_dict())
    text, lengths = torch.randint(9, (2, 5)), torch.tensor([5, 4])
    assert torch.equal(ours(text, lengths)[0], theirs(text, lengths)[0])
