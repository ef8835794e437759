"""Finished utterances leave a batch with CTC scores too, and change nothing."""

import random

import pytest
import torch
from espnet2.asr.ctc import CTC
from espnet2.legacy.nets.scorers.length_bonus import LengthBonus
from espnet2.lm.transformer_lm import TransformerLM

from espnet_mtla.decoder.variants import decoder_class
from espnet_mtla.search import fast
from espnet_mtla.search.ctc import CTCPrefixScorer
from espnet_mtla.search.fast import FastBeamSearch


class Logits:
    """A CTC module whose input is its logits."""

    def log_softmax(self, x):
        return x.log_softmax(-1)


def storage(scorer, state):
    """Bytes that a scorer and a state keep alive, without ids and counters."""
    tensors = [scorer.table, scorer.silence, *state]
    if scorer.window is not None:
        tensors.append(scorer.window.enough)
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


@pytest.mark.parametrize("margin", [0, 3])
def test_scores_of_those_that_stay(margin):
    """In any order of leaving, with nothing kept of those that left."""
    n_vocab, beam, n_utt = random.randint(4, 9), random.randint(1, 4), 6
    lengths = torch.randint(1, 30, (n_utt,))
    x = 3 * torch.randn(n_utt, int(lengths.max()), n_vocab).double()
    scorers = [CTCPrefixScorer(Logits(), n_vocab - 1, margin) for _ in range(2)]
    states = [[s.batch_init_state(x, lengths)] * n_utt * beam for s in scorers]
    rows = torch.arange(n_utt)  # of the utterances that the first still has
    for step in range(5):
        ids = torch.rand(n_utt * beam, n_vocab).topk(random.randint(1, n_vocab - 1))[1]
        ids = random.choice([None, ids])
        hyps = torch.arange(n_utt * beam).view(n_utt, beam)[rows].flatten()
        few = None if ids is None else ids[hyps]
        got, state = scorers[0].batch_score_partial(hyps, few, states[0], None)
        want, all_states = scorers[1].batch_score_partial(
            torch.arange(n_utt * beam), ids, states[1], None
        )
        # products of other sizes may round otherwise
        torch.testing.assert_close(got, want[hyps], atol=1e-9, rtol=0)
        best = torch.randint(1, n_vocab, (n_utt, beam))
        best += n_vocab * torch.randint(beam, (n_utt, beam))
        states[0] = scorers[0].batch_select_state(state, best[rows])
        states[1] = scorers[1].batch_select_state(all_states, best)
        kept = torch.randperm(len(rows))[: max(1, len(rows) - step % 2)].sort()[0]
        rows = rows[kept]
        states[0] = scorers[0].select_utterances(states[0], kept)
        held = [storage(*pair) for pair in zip(scorers, states)]
        assert held[0] * n_utt == held[1] * len(rows)
    assert len(rows) < n_utt


@pytest.mark.parametrize("pre_beam", ["full", None])
@pytest.mark.parametrize("margin", [0, 3])
def test_a_search_that_lets_them_go_finds_the_same(margin, pre_beam, monkeypatch):
    n_vocab, size, beam = 12, 16, random.choice([1, 3, 5])
    decoder = decoder_class("mtla")(
        n_vocab, size, attention_heads=2, linear_units=17, num_blocks=1
    )
    for p in decoder.parameters():
        p.data.add_(0.2 * torch.randn_like(p))
    # neither blank nor <eos> is chosen: texts end where they have to
    decoder.output_layer.bias.data[[0, -1]] = -1e4
    lm = TransformerLM(n_vocab, None, embed_unit=8, att_unit=8, head=2, unit=9, layer=1)
    ctc = CTC(n_vocab, size).double().eval()
    search = FastBeamSearch(
        {
            "decoder": decoder.double().eval(),
            "ctc": CTCPrefixScorer(ctc, n_vocab - 1, margin),
            "lm": lm.double().eval(),
            "length_bonus": LengthBonus(n_vocab),
        },
        {"decoder": 0.6, "ctc": 0.4, "lm": 0.3, "length_bonus": 0.2},
        beam,
        n_vocab,
        sos=n_vocab - 1,
        eos=n_vocab - 1,
        pre_beam_score_key=pre_beam,
    )
    lengths = 4 * torch.tensor(random.sample(range(2, 10), 6))
    x = torch.randn(6, int(lengths.max()), size).double()
    score, sizes, found = decoder.batch_score, [], []

    def watched(ys, *args):
        sizes[-1].append(len(ys))
        return score(ys, *args)

    decoder.batch_score = watched
    for share in (fast.FULL, 0.0):  # at 0 nothing leaves
        monkeypatch.setattr(fast, "FULL", share)
        sizes.append([])
        found.append(search(x, x_lengths=lengths, maxlenratio=0.3))
    assert sizes[0][-1] < sizes[0][0] == sizes[1][-1]
    for got, want in zip(*found, strict=True):
        assert [h.yseq.tolist() for h in got] == [h.yseq.tolist() for h in want]
        for h, other in zip(got, want):
            assert float(h.score) == pytest.approx(float(other.score), abs=1e-9)
            parts = {k: float(v) for k, v in other.scores.items()}
            assert {k: float(v) for k, v in h.scores.items()} == pytest.approx(
                parts, abs=1e-9
            )
