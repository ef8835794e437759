"""The fast search finds what ESPnet's finds, and does not wait for the device."""

import importlib
import random
import sys
import types

import pytest
import torch
from espnet2.asr.ctc import CTC
from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
from espnet2.legacy.nets.batch_beam_search import BatchBeamSearch
from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer
from espnet2.legacy.nets.scorers.length_bonus import LengthBonus
from espnet2.lm.seq_rnn_lm import SequentialRNNLM
from espnet2.lm.transformer_lm import TransformerLM
from torch.utils._python_dispatch import TorchDispatchMode

from espnet_mtla.decoder.variants import GQADecoder, MLADecoder, MTLADecoder
from espnet_mtla.search import fast
from espnet_mtla.search.end import Outcomes
from espnet_mtla.search.fast import FastBeamSearch

WIDTH = 8
IMPOSSIBLE = -1e8
RNNS = ["lstm", "gru", "rnn_tanh"]
KINDS = [GQADecoder, MLADecoder, MTLADecoder]
SCORERS = {
    "decoder": {"decoder": 1.0},
    "ctc": {"decoder": 0.6, "ctc": 0.4},
    "ctc-only": {"ctc": 1.0},
    "lm": {"decoder": 1.0, "lm": 0.4, "length_bonus": 0.7},
    "all": {"decoder": 0.7, "ctc": 0.3, "lm": 0.3, "length_bonus": 0.2},
}
LENGTHS = {
    "end-detection": {},
    "longest": {"maxlenratio": -7},
    "between": {"maxlenratio": 0.8, "minlenratio": 0.3},
    "shortest": {"minlenratio": -4},
    "retried": {"maxlenratio": 0.3, "minlenratio": 0.55},
}


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


def make_decoder(vocab, kind=None):
    kind = kind or random.choice(KINDS)
    context = random.choice(["prompt", "cross"])
    decoder = kind(
        vocab, WIDTH, context=context, attention_heads=2, linear_units=9, num_blocks=2
    )
    for p in decoder.parameters():
        p.data.add_(0.2 * torch.randn_like(p))
    return decoder.eval()


def transformer_lm(vocab):
    return TransformerLM(vocab, None, embed_unit=8, att_unit=8, head=2, unit=9, layer=1)


def rnn_lm(vocab):
    lm = SequentialRNNLM(vocab, unit=9, nlayers=2, rnn_type=random.choice(RNNS))
    for p in lm.parameters():
        p.data.add_(0.3 * torch.randn_like(p))
    return lm


def searches(weights, beam, vocab, decoder=None, ctc_window=0, lm=None, **options):
    """ESPnet's search and ours, over the same scorers."""
    lm = transformer_lm(vocab) if lm is None else lm
    ctc = CTC(vocab, WIDTH).eval()
    scorers = {
        "decoder": decoder or make_decoder(vocab),
        "ctc": CTCPrefixScorer(ctc, vocab - 1, ctc_window),
        "lm": lm.eval(),
        "length_bonus": LengthBonus(vocab),
    }
    options = {
        "sos": vocab - 1,
        "eos": vocab - 1,
        "pre_beam_score_key": None if weights.get("ctc") == 1.0 else "full",
        **options,
    }
    theirs = BatchBeamSearch(scorers, weights, beam, vocab, **options).eval()
    ours = BatchBeamSearch(scorers, weights, beam, vocab, **options).eval()
    ours.__class__ = FastBeamSearch
    return theirs, ours


def utterances(n_utt, most=14):
    """Encoder outputs ``(B, T, D)`` and lengths; CTC can say 7 tokens in each."""
    lengths = torch.randint(8, most + 1, (n_utt,))
    return torch.randn(n_utt, int(lengths.max()), WIDTH), lengths


def tokens(hypothesis):
    return hypothesis.yseq.tolist()


def assert_same(got, want):
    assert len(got) == len(want)
    for h, other in zip(sorted(got, key=tokens), sorted(want, key=tokens)):
        assert tokens(h) == tokens(other)
        assert float(h.score) == pytest.approx(float(other.score), rel=1e-6, abs=1e-4)
        parts = {k: float(v) for k, v in other.scores.items()}
        assert {k: float(v) for k, v in h.scores.items()} == pytest.approx(
            parts, rel=1e-6, abs=1e-4
        )


def assert_all_same(got, want):
    assert len(got) == len(want)
    for ours, theirs in zip(got, want):
        assert_same(ours, theirs)


def possible(hypotheses, weights):
    """Leave out what CTC cannot say, or could not say on the way.

    ESPnet's scorer goes on from a label outside the pre-beam with the rows of another
    one, and so gives back the 1e10 that it took, but not the digits.
    """
    return [
        h
        for h in hypotheses
        if h.score > IMPOSSIBLE
        and abs(h.score - sum(weights[k] * v for k, v in h.scores.items())) < 0.1
    ]


def compare(theirs, ours, x, **options):
    """Search with both; return ours.

    What CTC cannot say scores the same, whatever it is; ESPnet fills beams with it.
    """
    want, got = theirs(x, **options), ours(x, **options)
    if x.dim() == 2:
        want, got = [want], [got]
    hypotheses = [[possible(h, ours.weights) for h in found] for found in (got, want)]
    assert_all_same(*hypotheses)
    return got


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("scorers", SCORERS)
def test_several_utterances(scorers, lengths):
    beam = random.choice([1, 2, 3, 5, 10])
    x, sizes = utterances(n_utt=random.randint(2, 5))
    theirs, ours = searches(SCORERS[scorers], beam, random.randint(11, 17))
    compare(theirs, ours, x, x_lengths=sizes, **LENGTHS[lengths])


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("scorers", SCORERS)
def test_one_utterance(scorers, lengths):
    beam = random.choice([1, 2, 3, 5, 10])
    x, sizes = utterances(n_utt=1)
    theirs, ours = searches(SCORERS[scorers], beam, random.randint(11, 17))
    compare(theirs, ours, x[0], **LENGTHS[lengths])
    compare(theirs, ours, x, x_lengths=sizes, **LENGTHS[lengths])


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("n_utt", [1, 3])
def test_recurrent_language_model(n_utt, lengths):
    vocab = random.randint(11, 53)
    beam = random.randint(1, vocab - 3)
    theirs, ours = searches(
        SCORERS["all"],
        beam,
        vocab,
        lm=rnn_lm(vocab),
        normalize_length=random.choice([True, False]),
    )
    x, sizes = utterances(n_utt, most=8 if beam > 10 else 14)
    compare(theirs, ours, x, x_lengths=sizes, **LENGTHS[lengths])


class Bigrams:
    """The part of kenlm that ESPnet's scorer uses; a state is the last word."""

    class State:
        word = None

    def __init__(self, path):
        self.scores = {}

    def NullContextWrite(self, state):
        state.word = None

    def BaseScore(self, state, word, new):
        before, new.word = state.word, word
        return self.scores.setdefault((before, word), -3 * random.random())


@pytest.mark.parametrize("lengths", LENGTHS)
def test_n_grams(lengths, monkeypatch):
    kenlm = types.SimpleNamespace(LanguageModel=Bigrams, State=Bigrams.State)
    monkeypatch.setitem(sys.modules, "kenlm", kenlm)
    module = "espnet2.legacy.nets.scorers.ngram"
    monkeypatch.delitem(sys.modules, module, raising=False)
    ngram = importlib.import_module(module)
    monkeypatch.delitem(sys.modules, module)
    vocab = 13
    words = [f"w{i}" for i in range(vocab - 1)] + ["<eos>"]
    lm = ngram.NgramFullScorer("path", words)
    lm.eval = lambda: lm
    x, sizes = utterances(n_utt=3)
    theirs, ours = searches(SCORERS["all"], random.randint(1, 8), vocab, lm=lm)
    compare(theirs, ours, x, x_lengths=sizes, **LENGTHS[lengths])
    compare(theirs, ours, x[0, : sizes[0]], **LENGTHS[lengths])
    assert len(lm.lm.scores) > vocab


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("n_utt", [1, 3])
def test_half_precision_adds_up_in_float32(n_utt, dtype):
    """A score is the sum of its tokens', of which half precision keeps few digits."""
    vocab, n_tokens = 12, 60
    decoder = make_decoder(vocab).to(dtype)
    decoder.output_layer.bias.data[-1] = -1e4
    _, ours = searches({"decoder": 1.0, "length_bonus": 0.3}, 4, vocab, decoder)
    x = torch.randn(n_utt, 9, WIDTH).to(dtype)
    for b, hypotheses in enumerate(ours(x, maxlenratio=-n_tokens)):
        assert len({float(h.score) for h in hypotheses}) > 2
        for h in hypotheses:
            total, state = 0.3 * n_tokens, decoder.batch_init_state(x[b])
            for i in range(1, n_tokens + 1):
                ys = h.yseq[None, :i]
                scores, state = decoder.batch_score(ys, [state], None)
                state = decoder.select_state(state, 0)
                total += float(scores[0, h.yseq[i]])
            assert float(h.score) == pytest.approx(total, abs=0.5)


@pytest.mark.parametrize("n_utt", [1, 4])
def test_end_detection_ends_searches(n_utt):
    vocab, n_frames = 12, 60
    decoder = make_decoder(vocab)
    decoder.output_layer.weight.data.mul_(0.1)  # every token costs something
    decoder.output_layer.bias.data.zero_()[-1] = 2.0
    x = torch.randn(n_utt, n_frames, WIDTH)
    sizes = torch.randint(40, n_frames + 1, (n_utt,))
    sizes[0] = n_frames
    theirs, ours = searches(SCORERS["decoder"], 4, vocab, decoder)
    compare(theirs, ours, x, x_lengths=sizes)
    watched = Watched(decoder)
    ours(x, x_lengths=sizes)
    assert len(watched.sizes) < n_frames


@pytest.mark.parametrize("n_utt", [1, 3])
@pytest.mark.parametrize("beam", [1, 4, 17, 33, 50])
def test_beams(beam, n_utt):
    x, sizes = utterances(n_utt, most=8)
    theirs, ours = searches(SCORERS["all"], beam, vocab=53, normalize_length=True)
    for h in compare(theirs, ours, x, x_lengths=sizes):
        keys = [float(g.score) / (len(g.yseq) - 1) for g in h]
        assert keys == sorted(keys, reverse=True)


def test_a_beam_wider_than_the_vocabulary():
    """Alone, where ESPnet raises, and in a batch, where it extends empty slots."""
    x, sizes = utterances(n_utt=2, most=8)
    theirs, ours = searches(SCORERS["decoder"], 50, vocab=5)
    batch = compare(theirs, ours, x, x_lengths=sizes)
    for b, n in enumerate(sizes.tolist()):
        with pytest.raises(RuntimeError, match="out of range"):
            theirs(x[b, :n])
        alone = ours(x[b, :n])
        assert_same(alone, batch[b])
        assert float(alone[-1].score) > IMPOSSIBLE


@pytest.mark.parametrize("scorers", SCORERS)
def test_a_batch_changes_nothing(scorers):
    """Not even where CTC cannot say more than a token."""
    lengths = torch.randint(1, 9, (4,))
    x = torch.randn(4, int(lengths.max()), WIDTH)
    _, ours = searches(SCORERS[scorers], random.choice([3, 6, 12]), vocab=13)
    options = random.choice([{}, {"maxlenratio": -9}, {"maxlenratio": 1.0}])
    for b, hypotheses in enumerate(ours(x, x_lengths=lengths, **options)):
        assert_same(hypotheses, ours(x[b, : lengths[b]], **options))


def test_what_is_no_number_behind_the_end_is_not_seen():
    """A scorer may make nothing of a text that is over."""
    theirs, ours = searches({"decoder": 1.0}, 4, vocab=13)
    decoder = ours.scorers["decoder"]
    score = decoder.batch_score

    def blind(ys, *args, **kwargs):
        scores, states = score(ys, *args, **kwargs)
        over = (ys[:, 1:] == 12).any(1)
        return scores.masked_fill(over[:, None], torch.nan), states

    decoder.batch_score = blind
    x, sizes = utterances(n_utt=3)
    compare(theirs, ours, x, x_lengths=sizes)


@pytest.mark.parametrize("n_utt", [1, 4])
def test_tokens_that_cannot_be(n_utt):
    vocab = 15
    decoder = make_decoder(vocab)
    decoder.output_layer.bias.data[[2, 5, 6]] = -torch.inf
    theirs, ours = searches({"decoder": 1.0}, 5, vocab, decoder)
    x, sizes = utterances(n_utt)
    for hypotheses in compare(theirs, ours, x, x_lengths=sizes):
        assert hypotheses
        assert not {2, 5, 6} & {t for h in hypotheses for t in tokens(h)}


@pytest.mark.parametrize("primer", ["shared", "own"])
def test_primers(primer):
    x, sizes = utterances(n_utt=3)
    theirs, ours = searches(SCORERS["all"], 4, vocab=12)
    primers = {"shared": [11, 2, 3], "own": [[11, 2], [11, 5], [11, 4]]}
    for search in (theirs, ours):
        search.set_hyp_primer(primers[primer])
    compare(theirs, ours, x, x_lengths=sizes)


def test_espnets_own_decoder_sees_its_encoder_output():
    vocab = 12
    decoder = TransformerDecoder(vocab, WIDTH, 2, 9, 2).eval()
    theirs, ours = searches(SCORERS["lm"], 4, vocab, decoder)
    x, sizes = utterances(n_utt=5, most=30)
    compare(theirs, ours, x, x_lengths=sizes, maxlenratio=0.7)
    compare(theirs, ours, x[0, : sizes[0]])


def test_what_it_leaves_to_espnet(monkeypatch):
    monkeypatch.setattr(FastBeamSearch, "_step", None)
    x, sizes = utterances(n_utt=3)
    theirs, ours = searches(SCORERS["ctc"], 4, 12)
    compare(theirs, ours, x[0], pre_x=x[1], maxlenratio=-4)
    theirs, ours = searches(SCORERS["ctc"], 4, 12, ctc_window=3)
    compare(theirs, ours, x, x_lengths=sizes, maxlenratio=-4)


class Watched:
    """Counts the hypotheses of each call of a decoder."""

    def __init__(self, decoder):
        self.sizes = []
        score = decoder.batch_score

        def batch_score(ys, states, xs, xs_mask=None):
            self.sizes.append(len(ys))
            return score(ys, states, xs, xs_mask)

        decoder.batch_score = batch_score


@pytest.mark.parametrize("kind", KINDS)
def test_finished_utterances_leave_the_batch(kind):
    """The n-best lists of those that stay, in any order of leaving, are the same."""
    vocab, beam = 12, 3
    decoder = make_decoder(vocab, kind)
    theirs, ours = searches(SCORERS["lm"], beam, vocab, decoder)
    sizes = torch.tensor(random.sample([3, 7, 11, 15, 19, 23], 6))
    x = torch.randn(6, 23, WIDTH)
    want = theirs(x, x_lengths=sizes, maxlenratio=1.0)
    watched = Watched(decoder)
    assert_all_same(ours(x, x_lengths=sizes, maxlenratio=1.0), want)
    assert watched.sizes[0] == 6 * beam
    assert watched.sizes == sorted(watched.sizes, reverse=True)
    assert watched.sizes[-1] == beam and len(set(watched.sizes)) > 2


def test_steps_beyond_the_end_change_nothing(monkeypatch):
    x, sizes = utterances(n_utt=4, most=30)
    decoder = make_decoder(vocab=12)
    _, ours = searches(SCORERS["lm"], 4, 12, decoder)
    want, n_steps = ours(x, x_lengths=sizes), []
    for late in (0, 2, 5):
        monkeypatch.setattr(fast, "Outcomes", lambda _, late=late: Outcomes(late))
        watched = Watched(decoder)
        assert_all_same(ours(x, x_lengths=sizes), want)
        n_steps.append(len(watched.sizes))
    assert n_steps[0] <= n_steps[1] <= n_steps[2]


class Waits(TorchDispatchMode):
    """Counts what would make the host wait for a GPU."""

    READS = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero")

    def __init__(self, monkeypatch):
        super().__init__()
        self.found = []
        for name in ("tolist", "numpy", "cpu", "item"):
            monkeypatch.setattr(torch.Tensor, name, self.counted(name))

    def counted(self, name):
        plain = getattr(torch.Tensor, name)

        def read(tensor, *args, **kwargs):
            self.found.append(name)
            return plain(tensor, *args, **kwargs)

        return read

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.found += [name] if name in self.READS else []
        # indexing with a mask counts what is true in it
        if name.startswith("index") and len(args) > 1:
            indices = args[1] if isinstance(args[1], list | tuple) else []
            masks = [i for i in indices if i is not None and i.dtype == torch.bool]
            self.found += ["mask"] * len(masks)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", KINDS)
def test_no_step_waits_for_the_device(kind, monkeypatch):
    vocab = 12
    x, sizes = utterances(n_utt=3)
    weights = {"decoder": 1.0, "length_bonus": 0.3}
    theirs, ours = searches(weights, 4, vocab, make_decoder(vocab, kind))
    monkeypatch.setattr(fast, "Outcomes", lambda _: Outcomes(100))
    waits, found = Waits(monkeypatch), []
    for search in (ours, theirs):
        steps = []
        score = search.full_scorers["decoder"].batch_score

        def batch_score(ys, states, xs, xs_mask=None, score=score, steps=steps):
            steps.append(len(waits.found))
            return score(ys, states, xs, xs_mask)

        monkeypatch.setattr(search.full_scorers["decoder"], "batch_score", batch_score)
        with waits:
            search(x, x_lengths=sizes, maxlenratio=-8)
        assert len(steps) == 8
        found.append(waits.found[steps[1] : steps[-1]])
    assert found[0] == []
    assert found[1]  # otherwise nothing is counted
