"""CTC prefix scores in closed form: against enumeration and against ESPnet."""

import itertools
import random

import pytest
import torch
from espnet2.asr.ctc import CTC
from espnet2.legacy.nets.batch_beam_search import BatchBeamSearch
from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer as Theirs
from torch.utils._python_dispatch import TorchDispatchMode

from espnet_mtla.decoder.variants import decoder_class
from espnet_mtla.search import ctc as module
from espnet_mtla.search.ctc import CTCPrefixScorer

IMPOSSIBLE = -1e8


class Logits:
    """A CTC module whose input is its logits."""

    def log_softmax(self, x):
        return x.log_softmax(-1)


def ragged_logits(n_utt, n_vocab, most):
    lengths = torch.randint(1, most + 1, (n_utt,))
    n_frames = int(lengths.max())
    logits = random.choice([1, 5]) * torch.randn(n_utt, n_frames, n_vocab)
    return logits.double(), lengths


def enumerated(logp):
    """Log probability of every prefix of labels, and of every full sequence."""
    starts, wholes = {}, {}
    for path in itertools.product(range(logp.shape[1]), repeat=len(logp)):
        p = logp[range(len(logp)), path].sum().exp().item()
        labels = tuple(label for label, _ in itertools.groupby(path) if label != 0)
        wholes[labels] = wholes.get(labels, 0.0) + p
        for n in range(len(labels) + 1):
            starts[labels[:n]] = starts.get(labels[:n], 0.0) + p
    return tuple(
        {k: torch.tensor(v).log().item() for k, v in found.items()}
        for found in (starts, wholes)
    )


class Walk:
    """Random steps of a beam, the same for every scorer that takes part.

    Choices are possible extensions; it ends where some utterance has none.
    """

    def __init__(self, scorers, logits, lengths, beam):
        self.scorers, self.beam = scorers, beam
        self.n_utt, _, self.n_vocab = logits.shape
        for scorer in scorers:
            scorer.batch_init_state(logits.clone(), xs_lengths=lengths)
        n_hyp = self.n_utt * beam
        self.states = [[None] * n_hyp for _ in scorers]
        self.y = torch.full((n_hyp, 1), self.n_vocab - 1)

    def __iter__(self):
        """Yield hypotheses, the labels scored and each scorer's scores."""
        while True:
            n_ids = random.randint(2, self.n_vocab)
            ids = torch.rand(len(self.y), self.n_vocab).topk(n_ids)[1]
            ids = None if n_ids == self.n_vocab else ids
            scored = [
                s.batch_score_partial(self.y, ids, state, None)
                for s, state in zip(self.scorers, self.states)
            ]
            yield self.y, ids, [scores for scores, _ in scored]
            possible = scored[0][0] > IMPOSSIBLE
            possible[:, -1] = False
            chance = torch.where(possible, torch.rand(possible.shape), -1.0)
            parent = torch.randint(self.beam, (self.n_utt, self.beam))
            flat = (parent + self.beam * torch.arange(self.n_utt)[:, None]).flatten()
            chance, label = chance[flat].max(1)
            if bool((chance < 0).any()):
                return
            best = parent * self.n_vocab + label.view_as(parent)
            one_by_one, rows = random.random() < 0.5, random.random() < 0.5
            for i, (scorer, (_, state)) in enumerate(zip(self.scorers, scored)):
                if one_by_one:
                    pairs = zip(flat.tolist(), label.tolist())
                    chosen = [scorer.select_state(state, j, v) for j, v in pairs]
                else:
                    chosen = scorer.batch_select_state(state, best)
                if rows:  # as the search does with one utterance
                    chosen = [scorer.select_state(chosen, j) for j in range(len(flat))]
                self.states[i] = chosen
            self.y = torch.cat((self.y[flat], label[:, None]), 1)


def assert_close(got, want, atol):
    possible = want > IMPOSSIBLE
    assert torch.equal(got > IMPOSSIBLE, possible)
    torch.testing.assert_close(got[possible], want[possible], atol=atol, rtol=0)


def test_equals_enumeration():
    logits, lengths = ragged_logits(n_utt=3, n_vocab=4, most=6)
    eos = 3
    logp = logits.log_softmax(-1)
    oracle = [enumerated(logp[b, :n]) for b, n in enumerate(lengths.tolist())]
    for y, ids, (scores,) in Walk([CTCPrefixScorer(Logits(), eos)], logits, lengths, 2):
        for n, h in enumerate(tuple(row[1:].tolist()) for row in y):
            starts, wholes = oracle[n // 2]
            for label in range(4) if ids is None else {*ids[n].tolist(), eos}:
                want = starts.get((*h, label)) if label else None
                if label == eos:
                    want = wholes.get(h)
                if want is None:
                    assert scores[n, label] < IMPOSSIBLE
                else:
                    want -= starts[h]
                    assert scores[n, label].item() == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("margin", [0, 1, 3, 8])
def test_equals_espnet_at_every_step(margin):
    for _ in range(5):
        n_vocab = random.randint(4, 9)
        # ESPnet's window is one for all utterances: see the next test
        n_utt = 1 if margin else random.randint(1, 4)
        logits, lengths = ragged_logits(n_utt, n_vocab, most=30)
        logits[..., 0] += random.choice([0, 4])  # silences
        scorers = [
            kind(Logits(), n_vocab - 1, margin) for kind in (Theirs, CTCPrefixScorer)
        ]
        for _, _, (want, got) in Walk(scorers, logits, lengths, random.randint(1, 4)):
            assert_close(got, want, 1e-9)


@pytest.mark.parametrize("margin", [0, 2])
def test_batched_equals_alone(margin):
    n_vocab, beam = 7, 3
    logits, lengths = ragged_logits(4, n_vocab, most=25)
    together = CTCPrefixScorer(Logits(), n_vocab - 1, margin)
    alone = [CTCPrefixScorer(Logits(), n_vocab - 1, margin) for _ in lengths]
    for b, n in enumerate(lengths.tolist()):
        alone[b].batch_init_state(logits[b, :n])
    logits[torch.arange(logits.shape[1]) >= lengths[:, None]] = torch.nan
    state, states = [None] * 4 * beam, [[None] * beam] * 4
    together.batch_init_state(logits, xs_lengths=lengths)
    y = torch.zeros(4 * beam, 1)
    live = torch.ones(4 * beam, dtype=torch.bool)
    sound = torch.ones(4, 1, 1, dtype=torch.bool)
    for _ in range(6):
        scores, state = together.batch_score_partial(y, None, state, None)
        own = [
            s.batch_score_partial(y[:beam], None, p, None)
            for s, p in zip(alone, states)
        ]
        compared = (live.view(4, beam, 1) & sound).expand(4, beam, n_vocab)
        got, want = scores.view(4, beam, -1), torch.stack([s for s, _ in own])
        assert_close(got[compared], want[compared], 1e-9)
        # as the search does: what has ended is not followed
        chance = scores.masked_fill(~live[:, None], 2 * IMPOSSIBLE).view(4, -1)
        chance, best = chance.topk(beam)
        sound &= (chance > IMPOSSIBLE).all(1)[:, None, None]  # none is a filler
        live = best.flatten() % n_vocab != n_vocab - 1
        state = together.batch_select_state(state, best)
        states = [
            s.batch_select_state(p, best[b : b + 1])
            for b, (s, (_, p)) in enumerate(zip(alone, own))
        ]


@pytest.mark.parametrize("drawn", [1254, 263375980])
def test_a_window_does_not_reach_into_padding(drawn):
    """Draws in which rounding made a frame of padding the most likely end."""
    random.seed(drawn)
    torch.manual_seed(drawn)
    test_batched_equals_alone(margin=2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_precision_is_that_of_the_posteriors(dtype):
    logits, lengths = ragged_logits(2, 9, most=200)
    logp = logits.log_softmax(-1).to(dtype)
    scorers = [CTCPrefixScorer(Logits(), 8), CTCPrefixScorer(Logits(), 8)]
    for scorer in scorers:
        scorer.ctc.log_softmax = lambda x: x
    scorers[1].ctc.log_softmax = lambda x: x.to(dtype)
    eps = torch.finfo(dtype).eps
    for _, _, (want, got) in Walk(scorers, logp.double(), lengths, 3):
        assert got.dtype == torch.float32 and got.isfinite().all()
        possible = want > IMPOSSIBLE
        torch.testing.assert_close(
            got.double()[possible], want[possible], atol=1e-6, rtol=eps
        )


@pytest.mark.parametrize("select", ["one by one", "batch"])
def test_what_was_not_scored_stays_impossible(select):
    logits, lengths = ragged_logits(n_utt=2, n_vocab=7, most=9)
    scorer = CTCPrefixScorer(Logits(), 6)
    scorer.batch_init_state(logits, xs_lengths=lengths)
    y, ids = torch.full((4, 1), 6), torch.tensor([[1, 2, 6]] * 4)
    first, state = scorer.batch_score_partial(y, ids, [None] * 4, None)
    best = torch.tensor([[3, 7 + 4], [7 + 3, 5]])
    if select == "batch":
        state = scorer.batch_select_state(state, best)
    else:
        rows = [(0, 3), (1, 4), (3, 3), (2, 5)]
        state = [scorer.select_state(state, i, label) for i, label in rows]
    second, _ = scorer.batch_score_partial(y, None, state, None)
    assert (first[:, 3:6] + second.amax(1, keepdim=True) < IMPOSSIBLE).all()


def test_posteriors_of_zero():
    logits, lengths = ragged_logits(2, 6, most=12)
    logits[..., 2] = -torch.inf
    for _, ids, (scores,) in Walk([CTCPrefixScorer(Logits(), 5)], logits, lengths, 2):
        assert scores.isfinite().all() and (scores[:, 2] < IMPOSSIBLE).all()
        if ids is not None:
            break


def test_more_labels_than_fit_are_scored_in_parts(monkeypatch):
    logits, lengths = ragged_logits(3, 9, most=20)
    scorers = [CTCPrefixScorer(Logits(), 8) for _ in range(2)]
    score = scorers[1].batch_score_partial

    def in_parts(*args):
        with monkeypatch.context() as m:
            m.setattr(module, "SCORED_AT_ONCE", random.randint(1, 500))
            return score(*args)

    scorers[1].batch_score_partial = in_parts
    for _, _, (want, got) in Walk(scorers, logits, lengths, 2):
        assert_close(got, want, 1e-12)


class Count(TorchDispatchMode):
    operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.operations += 1
        return func(*args, **(kwargs or {}))


def steps(scorer, device, n_frames, n_utt, beam, n_vocab):
    logits = torch.randn(n_utt, n_frames, n_vocab, device=device)
    state = scorer.batch_init_state(logits)
    state = [state] * n_utt * beam
    y = torch.zeros(n_utt * beam, 1, dtype=torch.long, device=device)
    for _ in range(3):
        ids = torch.rand(n_utt * beam, n_vocab, device=device).topk(4)[1]
        scores, state = scorer.batch_score_partial(y, ids, state, logits)
        best = scores.view(n_utt, -1).topk(beam)[1]
        state = scorer.batch_select_state(state, best)


@pytest.mark.parametrize("margin", [0, 2])
def test_work_does_not_grow_with_frames_or_hypotheses(margin):
    counts = []
    for sizes in ((5, 1, 2, 7), (50, 3, 6, 30)):
        with Count() as count:
            steps(CTCPrefixScorer(Logits(), 6, margin), "cpu", *sizes)
        counts.append(count.operations)
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("margin", [0, 2])
def test_nothing_is_read_back_from_the_device(margin):
    # tensors without values: whatever looked at one would raise
    steps(CTCPrefixScorer(Logits(), 6, margin), "meta", 9, 2, 3, 7)


@pytest.mark.parametrize("pre_beam", ["full", None])
@pytest.mark.parametrize("margin", [0, 4])
def test_search_finds_what_it_finds_with_espnets(pre_beam, margin):
    n_vocab, size, n_utt = 9, 16, 3
    decoder = decoder_class("mtla")(
        n_vocab, size, attention_heads=2, linear_units=17, num_blocks=1
    )
    head = CTC(n_vocab, size).eval().double()
    head.ctc_lo.weight.data.mul_(4)
    lengths = torch.randint(3, 25, (n_utt,))
    x = torch.randn(n_utt, int(lengths.max()), size).double()
    searches = [
        BatchBeamSearch(
            beam_size=4,
            vocab_size=n_vocab,
            scorers={
                "decoder": decoder.double().eval(),
                "ctc": kind(head, n_vocab - 1, margin),
            },
            weights={"decoder": 0.7, "ctc": 0.3},
            sos=n_vocab - 1,
            eos=n_vocab - 1,
            pre_beam_score_key=pre_beam,
        )
        for kind in (Theirs, CTCPrefixScorer)
    ]

    @torch.no_grad()
    def n_best(*args, **kwargs):
        found = [search(*args, maxlenratio=-12, **kwargs) for search in searches]
        return found if "x_lengths" in kwargs else [[hyps] for hyps in found]

    found = [n_best(x[b, :n]) for b, n in enumerate(lengths.tolist())]
    if margin == 0:
        found.append(n_best(x, x_lengths=lengths))
    for theirs, ours in found:
        for want, got in zip(theirs, ours, strict=True):
            want = [h for h in want if h.score > IMPOSSIBLE]
            got = [h for h in got if h.score > IMPOSSIBLE]
            assert [h.yseq.tolist() for h in got] == [h.yseq.tolist() for h in want]
            for h, g in zip(want, got):
                assert g.score.item() == pytest.approx(h.score.item(), abs=1e-6)
                ctc = h.scores["ctc"].item()
                assert g.scores["ctc"].item() == pytest.approx(ctc, abs=1e-6)
                for field in g.states["ctc"]:  # an ended one keeps no batch alive
                    assert field.untyped_storage().nbytes() == field.nbytes
