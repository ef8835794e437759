"""ESPnet's decoder and language model over caches score as they do by themselves."""

import copy
import itertools
import random

import pytest
import torch
from espnet2.asr.decoder import transformer_decoder
from espnet2.asr.decoder.rnn_decoder import RNNDecoder
from espnet2.asr.decoder.s4_decoder import S4Decoder
from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
from espnet2.legacy.nets.pytorch_backend.transformer.attention import (
    MultiHeadedAttention,
)
from espnet2.legacy.nets.pytorch_backend.transformer.embedding import (
    PositionalEncoding,
    RelPositionalEncoding,
    ScaledPositionalEncoding,
)
from espnet2.lm.seq_rnn_lm import SequentialRNNLM
from espnet2.lm.transformer_lm import TransformerLM
from espnet2.torch_utils.quantization import quantize_dynamic
from settings import stirred, stock_decoder

from espnet_mtla import onednn
from espnet_mtla.search.backend import ONEDNN, PLAIN, Backend
from espnet_mtla.search.stock_check import stock_scorer, why_not_stock
from espnet_mtla.search.view import SearchView

SIZE, VOCAB, STEPS = 16, 11, 20
BACKENDS = {"plain": PLAIN, "onednn": ONEDNN, "graphs": Backend(graphs=True)}
OPTIONS = {
    "normalize_before": [True, False],
    "concat_after": [True, False],
    "qk_norm": [True, False],
    "use_sdpa": [True, False],
    "use_flash_attn": [True, False],
    "gradient_checkpoint_layers": [[], [1, 2]],
    "pos_enc_class": [PositionalEncoding, ScaledPositionalEncoding],
}
CASES = [(name, value) for name, values in OPTIONS.items() for value in values]


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


@pytest.fixture
def backend():
    """One of all, in which a view must score the same."""
    return random.choice([b for b in BACKENDS.values() if runs(b)])


def runs(backend):
    return not backend.packs or onednn.AVAILABLE


def language_model(pos_enc, layer=3):
    sizes = {"embed_unit": 6, "att_unit": 16, "head": 2, "unit": 9, "layer": layer}
    lm = stirred(TransformerLM(VOCAB, pos_enc, **sizes), 0.3)
    lm.encoder.after_norm.weight.data.mul_(2)
    return lm


def batch(n_utt=4, most=9):
    """Encoder outputs ``(B, T, D)``, clean and with anything as padding, and lengths."""
    lengths = torch.randint(1, most + 1, (n_utt,))
    lengths[random.randrange(n_utt)] = most
    x = torch.randn(n_utt, most, SIZE)
    padding = torch.arange(most) >= lengths[:, None]
    dirty = x.clone()
    dirty[padding] = random.choice([float("nan"), 1e30, float("inf")])
    x[padding] = 0.0
    return x, dirty, lengths


def by_itself(scorer, ys, x, lengths):
    """ESPnet's scores of whole texts: nothing is cached."""
    states = [None] * len(ys)
    if not isinstance(scorer, TransformerDecoder):
        return scorer.batch_score(ys, states, x)[0]
    mask = (torch.arange(x.shape[1]) < lengths[:, None])[:, None]
    return scorer.batch_score(ys, states, x, xs_mask=mask)[0]


def walk(view, dirty, lengths, beam, lists=False, leave=False, vocab=VOCAB):
    """Go through a beam's random history; yield rows, texts ``(N, L)`` and scores.

    Args:
        view: that scores.
        dirty: encoder outputs of ``B`` utterances.
        lengths: theirs.
        beam: ``K``.
        lists: whether states are handed on one by one.
        leave: whether utterances leave on the way.
        vocab: ``V``.
    """
    rows = torch.arange(len(lengths))
    primer = torch.randint(vocab, (len(rows), random.randint(1, 4)))
    ys = primer.repeat_interleave(beam, 0)
    begun = view.batch_init_state(dirty, xs_lengths=lengths)
    state = [begun] * len(ys)  # which holds what single ones look at
    for step in range(STEPS):
        scores, state = view.batch_score(ys, state, None)
        yield rows, ys, scores
        # some parents twice, others not at all
        chosen = torch.randint(beam, (len(rows), beam))
        new = torch.randint(vocab, (len(rows), beam))
        parents = (chosen + beam * torch.arange(len(rows))[:, None]).flatten()
        ys = torch.cat((ys[parents], new.view(-1, 1)), dim=1)
        if lists:
            state = [view.select_state(state, n) for n in parents.tolist()]
        else:
            state = view.batch_select_state(state, chosen * vocab + new)
        if leave and len(rows) > 1 and step % 5 == 4:
            kept = torch.randperm(len(rows))[:-1].sort()[0]
            rows = rows[kept]
            ys = ys.view(-1, beam, ys.shape[1])[kept].flatten(0, 1)
            state = view.select_utterances(state, kept)


def assert_scores(scorer, backend, atol=1e-4, dtype=None, **how):
    """Compare a view with ESPnet's scorer all along a history."""
    x, dirty, lengths = batch()
    beam = random.randint(1, 4)
    given = dirty if dtype is None else dirty.to(dtype)
    view = SearchView(scorer, backend)
    for rows, ys, scores in walk(view, given, lengths, beam, **how):
        frames, sizes = x[rows].repeat_interleave(beam, 0), lengths[rows]
        want = by_itself(
            scorer, ys, frames.to(given.dtype), sizes.repeat_interleave(beam)
        )
        torch.testing.assert_close(scores, want.to(scores), atol=atol, rtol=0)
    assert ys.shape[1] > 16  # the cache has grown


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_decoder_scores_as_by_itself(name, value, backend):
    decoder = stock_decoder(VOCAB, SIZE, **{name: value})
    assert_scores(decoder, backend, leave=True)


@pytest.mark.parametrize("pos_enc", [None, "sinusoidal"])
def test_a_language_model_scores_as_by_itself(pos_enc, backend):
    """Token 0 is in the texts, first too: what follows does not see it."""
    assert_scores(language_model(pos_enc), backend, leave=True)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["decoder", "lm"])
def test_every_backend(kind, backend):
    if not runs(BACKENDS[backend]):
        pytest.skip("without oneDNN")
    made = stock_decoder(VOCAB, SIZE) if kind == "decoder" else language_model(None)
    for lists, leave in ((False, False), (False, True), (True, False)):
        assert_scores(made, BACKENDS[backend], lists=lists, leave=leave)


def test_a_language_model_sees_only_padding(backend):
    """As when the text starts with token 0, or is nothing else."""
    lm, n = language_model("sinusoidal"), 5
    view = SearchView(lm, backend)
    state = [view.batch_init_state(torch.randn(1, 4, SIZE))] * n
    ys = torch.zeros(n, 1).long()
    for length in range(1, 7):
        scores, state = view.batch_score(ys, state, None)
        want = lm.batch_score(ys, [None] * n, None)[0]
        torch.testing.assert_close(scores, want, atol=1e-4, rtol=0)
        state = view.batch_select_state(state, torch.arange(n)[None] * VOCAB)
        new = torch.zeros(n, 1).long() if length < 4 else torch.randint(VOCAB, (n, 1))
        ys = torch.cat((ys, new), 1)


def test_teacher_forcing(backend):
    decoder = stock_decoder(VOCAB, SIZE)
    x, dirty, lengths = batch()
    view = SearchView(decoder, backend)
    ys = torch.randint(VOCAB, (len(x), STEPS))
    sizes = torch.full((len(x),), STEPS)
    want = decoder(x, lengths, ys, sizes)[0].log_softmax(-1)
    state = [view.batch_init_state(dirty, xs_lengths=lengths)] * len(x)
    for i in range(STEPS):
        scores, state = view.batch_score(ys[:, : i + 1], state, None)
        torch.testing.assert_close(scores, want[:, i], atol=1e-4, rtol=0)


def test_one_utterance_has_no_padding(backend):
    """``(T, D)``, as a search hands it over; scored alone as :class:`BeamSearch` does."""
    decoder = stock_decoder(VOCAB, SIZE)
    view, x, ys = SearchView(decoder, backend), torch.randn(7, SIZE), torch.tensor([10])
    state, theirs = view.init_state(x), decoder.init_state(x)
    for _ in range(5):
        got, state = view.score(ys, state, x)
        want, theirs = decoder.score(ys, theirs, x)
        torch.testing.assert_close(got, want, atol=1e-4, rtol=0)
        state = view.select_state(state, 0)
        ys = torch.cat((ys, torch.randint(VOCAB, (1,))))


@pytest.mark.parametrize("pos_enc", OPTIONS["pos_enc_class"])
@pytest.mark.parametrize("there", [1, 7])
def test_positions_behind_the_table(pos_enc, there, backend):
    """It holds 5000, and is made again when a text is longer."""
    decoder = stock_decoder(VOCAB, SIZE, pos_enc_class=pos_enc)
    position, x = decoder.embed[1], torch.randn(2, 5, SIZE)
    ys = torch.randint(VOCAB, (2, STEPS))
    whole, position.pe = position.pe, position.pe[:, :there]
    view = SearchView(decoder, backend)
    got, _ = view.batch_score(ys, [view.batch_init_state(x)] * 2, None)
    assert position.pe.shape[1] >= STEPS
    assert torch.equal(position.pe[:, :STEPS], whole[:, :STEPS])
    want, _ = decoder.batch_score(ys, [None] * 2, x)
    torch.testing.assert_close(got, want, atol=1e-4, rtol=0)


def test_without_an_output_layer_hidden_states_are_scores(backend):
    decoder = stock_decoder(VOCAB, SIZE, use_output_layer=False)
    assert_scores(decoder, backend)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("kind", ["decoder", "lm"])
def test_other_types(kind, dtype, backend):
    """What a GPU sums up in bfloat16 rounds otherwise than ESPnet's product."""
    made = language_model(None, 1)
    if kind == "decoder":
        made = stock_decoder(VOCAB, SIZE, num_blocks=1, normalize_before=True)
    atol = 1e-9 if dtype == torch.float64 else 0.5
    assert_scores(made.to(dtype), backend, atol, dtype)
    scores, _ = SearchView(made, backend).batch_score(
        torch.ones(1, 1).long(),
        [SearchView(made).batch_init_state(torch.ones(3, SIZE).to(dtype))],
        None,
    )
    assert scores.dtype == torch.promote_types(dtype, torch.float32)


@pytest.mark.parametrize("kind", ["decoder", "lm"])
def test_quantised_layers_are_run(kind):
    """The same numbers of one token; of more they are near.

    A product has one range for all that is in it: of ESPnet's that is a text, of ours
    a token.
    """
    size, decodes = 32, kind == "decoder"
    made = (
        stock_decoder(VOCAB, size, num_blocks=2)
        if decodes
        else language_model("sinusoidal")
    )
    small = quantize_dynamic(made, {torch.nn.Linear}, torch.qint8)
    assert why_not_stock(small) is None
    view, x = SearchView(small), torch.randn(1, 7, size)
    assert not any(type(part) is torch.nn.Linear for part in view.modules())
    state, near, far = [view.batch_init_state(x)], [], []
    ys = torch.randint(1, VOCAB, (1, 1))
    for _ in range(STEPS):
        scores, state = view.batch_score(ys, state, None)
        lengths = torch.tensor([7])
        for scorer, differences in ((small, near), (made, far)):
            want = by_itself(scorer, ys, x, lengths)
            differences.append((scores - want).abs().max())
        ys = torch.cat((ys, torch.randint(1, VOCAB, (1, 1))), 1)
    assert near[0] < 1e-5 < far[0]
    assert max(near) < 1.0


@pytest.mark.parametrize("kind", ["decoder", "lm"])
def test_the_scorer_is_left_as_it_is(kind, backend):
    """In its weights and attributes; but for the table of positions, as long as a text."""
    made = stock_decoder(VOCAB, SIZE) if kind == "decoder" else language_model(None)
    frozen = next(p for p in made.modules() if type(p) is torch.nn.Dropout)
    frozen.train()  # a mode of its own

    def inside():
        return {
            name: (
                type(part),
                {k: id(v) for k, v in vars(part).items() if k not in ("pe", "attn")},
                list(part._modules),
            )
            for name, part in made.named_modules()
        }

    before, weights = inside(), copy.deepcopy(made.state_dict())
    view = SearchView(made, backend)
    assert inside() == before
    for _ in walk(view, *batch()[1:], beam=2):
        pass
    assert inside() == before and frozen.training
    assert list(made.state_dict()) == list(weights)
    for name, value in made.state_dict().items():
        assert torch.equal(value, weights[name])
    shared = {p.data_ptr() for p in made.parameters()}
    assert {p.data_ptr() for p in view.parameters()} == shared


class Mine(TransformerDecoder):
    """What it does otherwise cannot be known."""


class OtherAttention(MultiHeadedAttention):
    """Likewise."""


class Shifted(torch.nn.Module):
    """Positions of a recipe's own, of no other modules."""

    def __init__(self, *args):
        super().__init__()

    def forward(self, x):
        return x + 1


def replaced_attention(name):
    decoder = TransformerDecoder(VOCAB, SIZE, num_blocks=2)
    setattr(decoder.decoders[1], name, OtherAttention(4, SIZE, 0.0))
    return decoder


def replaced_feed_forward():
    decoder = TransformerDecoder(VOCAB, SIZE, num_blocks=2)
    decoder.decoders[1].feed_forward = torch.nn.Identity()
    return decoder


def replaced_layer():
    lm = language_model(None)
    lm.encoder.encoders[2] = torch.nn.Identity()
    return lm


CONVOLUTIONS = [
    f"{kind}Convolution{two}TransformerDecoder"
    for kind, two in itertools.product(("Lightweight", "Dynamic"), ("", "2D"))
]
OTHERS = {
    **{
        name: (
            lambda name=name: getattr(transformer_decoder, name)(
                VOCAB, SIZE, num_blocks=1, conv_kernel_length=[3]
            ),
            f"it is a {name}",
        )
        for name in CONVOLUTIONS
    },
    "two sources": (
        lambda: transformer_decoder.TransformerMDDecoder(VOCAB, SIZE, num_blocks=1),
        "it is a TransformerMDDecoder",
    ),
    "rnn": (lambda: RNNDecoder(VOCAB, SIZE), "it is a RNNDecoder"),
    "s4": (lambda: S4Decoder.__new__(S4Decoder), "it is a S4Decoder"),
    "rnn lm": (lambda: SequentialRNNLM(VOCAB), "it is a SequentialRNNLM"),
    "subclass": (lambda: Mine(VOCAB, SIZE), "it is a Mine"),
    "linear": (
        lambda: TransformerDecoder(VOCAB, SIZE, input_layer="linear"),
        "its input layer is not embed",
    ),
    "self-attention": (
        lambda: replaced_attention("self_attn"),
        "it has a OtherAttention",
    ),
    "attention to the source": (
        lambda: replaced_attention("src_attn"),
        "it has a OtherAttention",
    ),
    "second source": (
        lambda: replaced_attention("sequential_attn"),
        "it attends to two sources",
    ),
    "feed-forward": (replaced_feed_forward, "it has a Identity"),
    "layer": (replaced_layer, "it has a Identity"),
    "relative positions": (
        lambda: TransformerDecoder(VOCAB, SIZE, pos_enc_class=RelPositionalEncoding),
        "its positions are RelPositionalEncoding",
    ),
    "own positions": (
        lambda: TransformerDecoder(VOCAB, SIZE, pos_enc_class=Shifted),
        "its positions are Shifted",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_refused(name):
    make, why = OTHERS[name]
    made = make()
    assert why_not_stock(made) == why
    with pytest.raises(ValueError, match=why):
        stock_scorer(made)


def test_what_is_taken():
    assert why_not_stock(TransformerDecoder(VOCAB, SIZE)) is None
    assert why_not_stock(language_model(None)) is None
    assert why_not_stock(language_model("sinusoidal")) is None
