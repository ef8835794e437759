"""ESPnet's own beam search, driving our decoders through its public doors."""

import itertools

import pytest
import torch
from espnet2.asr.ctc import CTC
from espnet2.legacy.nets.batch_beam_search import BatchBeamSearch
from espnet2.legacy.nets.beam_search import BeamSearch
from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer
from espnet2.legacy.nets.scorers.length_bonus import LengthBonus
from espnet2.lm.transformer_lm import TransformerLM

from espnet_mtla.search.fast import FastBeamSearch


def search(kind, scorers, weights, beam, vocab):
    return kind(
        beam_size=beam,
        vocab_size=vocab,
        weights=weights,
        scorers=scorers,
        sos=vocab - 1,
        eos=vocab - 1,
        pre_beam_score_key="full",
    ).eval()


def n_best(hypotheses):
    """Tokens and scores, without what filled slots no hypothesis was left for."""
    return {
        tuple(h.yseq.tolist()): h.score.item()
        for h in hypotheses
        if h.score.item() > -1e8
    }


def assert_same(got, want):
    assert got.keys() == want.keys()
    for tokens, score in want.items():
        assert got[tokens] == pytest.approx(score, abs=1e-3)


@torch.no_grad()
def exhaustive(decoder, x, most, vocab):
    """Score every text of up to ``most`` tokens from scratch, teacher-forced.

    As in ESPnet, a text that reaches ``most`` gets its ``<eos>`` for free.
    """
    eos = vocab - 1
    words = range(vocab - 1)
    texts = [
        (*text, eos)
        for n in range(most - 1)
        for text in itertools.product(words, repeat=n)
    ]
    texts += [
        (*text, last)
        for text in itertools.product(words, repeat=most - 1)
        for last in range(vocab)
    ]
    found = {}
    for n in range(1, most + 1):
        same = [text for text in texts if len(text) == n]
        ys = torch.tensor([(eos, *text[:-1]) for text in same])
        sizes = torch.full((len(same),), n)
        logits, _ = decoder(
            x.expand(len(same), -1, -1), torch.full((len(same),), len(x)), ys, sizes
        )
        steps = logits.log_softmax(-1).gather(2, torch.tensor(same)[..., None])
        for text, score in zip(same, steps.sum((1, 2)).tolist()):
            found[(eos, *text, *((eos,) if n == most else ()))] = score
    return found


def test_equals_an_exhaustive_search(make_decoder, ragged):
    vocab, most = 4, 4
    decoder = make_decoder(vocab_size=vocab, num_blocks=1)
    prompt, lengths, _ = ragged(n_utt=2, vocab=vocab)
    beam = search(BatchBeamSearch, {"decoder": decoder}, {"decoder": 1.0}, 120, vocab)
    found = beam(prompt, x_lengths=lengths, maxlenratio=-most)
    for b, n in enumerate(lengths.tolist()):
        assert_same(n_best(found[b]), exhaustive(decoder, prompt[b, :n], most, vocab))


def test_one_utterance_equals_the_search_that_is_not_batched(make_decoder, ragged):
    vocab = 9
    decoder = make_decoder(vocab_size=vocab)
    prompt, lengths, _ = ragged(n_utt=1, vocab=vocab)
    x = prompt[0, : lengths[0]]
    found = [
        search(kind, {"decoder": decoder}, {"decoder": 1.0}, 3, vocab)(
            x, maxlenratio=-12
        )
        for kind in (BatchBeamSearch, BeamSearch)
    ]
    assert_same(*(n_best(hypotheses) for hypotheses in found))


@pytest.mark.parametrize("kind", [BatchBeamSearch, FastBeamSearch])
def test_batched_equals_alone_with_ctc_lm_and_length_bonus(make_decoder, ragged, kind):
    vocab = 9
    decoder = make_decoder(vocab_size=vocab)
    prompt, lengths, _ = ragged(n_utt=4, vocab=vocab)
    lengths = lengths.clamp(min=3)
    prompt = torch.randn(4, int(lengths.max()), 24)
    lm = TransformerLM(vocab, None, embed_unit=8, att_unit=8, head=2, unit=12, layer=1)
    scorers = {
        "decoder": decoder,
        "ctc": CTCPrefixScorer(CTC(vocab, 24).eval(), vocab - 1),
        "lm": lm.eval(),
        "length_bonus": LengthBonus(vocab),
    }
    weights = {"decoder": 0.7, "ctc": 0.3, "lm": 0.4, "length_bonus": 0.1}
    beam = search(kind, scorers, weights, 4, vocab)
    together = beam(prompt, x_lengths=lengths, maxlenratio=-10)
    for b, n in enumerate(lengths.tolist()):
        alone = n_best(beam(prompt[b, :n], maxlenratio=-10))
        best = max(alone, key=alone.get)
        assert_same({best: n_best(together[b])[best]}, {best: alone[best]})
        assert max(n_best(together[b]).values()) == pytest.approx(alone[best], abs=1e-3)


def test_the_encoder_output_is_not_copied_for_each_hypothesis(make_decoder, ragged):
    decoder = make_decoder()
    prompt, lengths, _ = ragged(n_utt=3)
    seen = []
    score = decoder.batch_score

    def watched(ys, states, xs, xs_mask=None):
        seen.append((len(ys), xs.untyped_storage().nbytes()))
        return score(ys, states, xs, xs_mask)

    decoder.batch_score = watched
    beam = search(FastBeamSearch, {"decoder": decoder}, {"decoder": 1.0}, 5, 11)
    beam(prompt, x_lengths=lengths, maxlenratio=-3)
    assert seen == [(15, 0)] * 3
