"""A view scores as its decoder does, in every backend, and leaves it as it is."""

import copy
import pickle
import random

import pytest
import torch
from espnet2.legacy.nets.batch_beam_search import BatchBeamSearch

from espnet_mtla import onednn
from espnet_mtla.decoder.variants import MTLADecoder
from espnet_mtla.search.backend import ONEDNN, PLAIN, Backend
from espnet_mtla.search.fast import FastBeamSearch
from espnet_mtla.search.graph import FixedState
from espnet_mtla.search.packed import PackedLinear
from espnet_mtla.search.view import SearchView, use_view

BACKENDS = {"plain": PLAIN, "onednn": ONEDNN, "graphs": Backend(graphs=True)}
needs_onednn = pytest.mark.skipif(not onednn.AVAILABLE, reason="without oneDNN")


def history(scorer, prompt, lengths, tokens, parents):
    """Log-probabilities of a beam's random history, and of each of its hypotheses."""
    beam, vocab, steps = parents.shape[2], 11, []
    state = [scorer.batch_init_state(prompt, xs_lengths=lengths)] * tokens.shape[1]
    ys = tokens[0, :, None]
    for new, chosen in zip(tokens[1:], parents):
        scores, state = scorer.batch_score(ys, state, None)
        steps.append((ys, scores))
        ids = chosen * vocab + new.view(len(chosen), -1)
        state = scorer.batch_select_state(state, ids)
        first = torch.arange(len(chosen))[:, None] * beam
        ys = torch.cat((ys[(chosen + first).flatten()], new[:, None]), dim=1)
    return steps


@pytest.mark.parametrize("backend", BACKENDS)
@torch.no_grad()
def test_scores_are_those_of_teacher_forcing(make_decoder, ragged, backend):
    decoder, beam = make_decoder(), random.randint(1, 3)
    prompt, lengths, _ = ragged(n_utt=3)
    tokens = torch.randint(1, 11, (25, 3 * beam))
    parents = torch.randint(0, beam, (24, 3, beam))
    view = SearchView(decoder, BACKENDS[backend])
    frames, sizes = prompt.repeat_interleave(beam, 0), lengths.repeat_interleave(beam)
    for ys, got in history(view, prompt, lengths, tokens, parents):
        want, _ = decoder(frames, sizes, ys, torch.full_like(sizes, ys.shape[1]))
        want = want[:, -1].log_softmax(-1)
        torch.testing.assert_close(got, want, atol=1e-4, rtol=0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n_utt", [1, 3])
@torch.no_grad()
def test_searches_find_what_espnets_finds(make_decoder, ragged, backend, n_utt):
    """ESPnet's search over the decoder itself; both searches over a view of it."""
    decoder = make_decoder()
    prompt, lengths, _ = ragged(n_utt=n_utt, most=30)
    if n_utt == 1:
        inputs = {"x": prompt[0, : lengths[0]]}
    else:
        inputs = {"x": prompt, "x_lengths": lengths}
    found = []
    for kind, viewed in (
        (BatchBeamSearch, False),
        (BatchBeamSearch, True),
        (FastBeamSearch, True),
    ):
        scorers, weights = {"decoder": decoder}, {"decoder": 1.0}
        search = kind(scorers, weights, 4, 11, sos=10, eos=10).eval()
        if viewed:
            use_view(search, BACKENDS[backend])
            assert isinstance(search.scorers["decoder"], SearchView)
            assert search.full_scorers["decoder"] is search.scorers["decoder"]
        n_best = search(**inputs, maxlenratio=-20.0)
        n_best = [n_best] if n_utt == 1 else n_best
        found.append([[(h.yseq.tolist(), float(h.score)) for h in n] for n in n_best])
    for other in found[1:]:
        for want, got in zip(found[0], other, strict=True):
            assert [y for y, _ in got] == [y for y, _ in want]
            scores = [score for _, score in want]
            assert [s for _, s in got] == pytest.approx(scores, abs=1e-3)


def test_a_search_without_a_decoder_of_ours_stays():
    search = BatchBeamSearch({}, {}, 2, 5, sos=4, eos=4)
    use_view(search)
    assert not search.scorers


def inside(decoder):
    """All that a module is made of."""
    return {
        name: (type(part), id(part), {k: id(v) for k, v in vars(part).items()})
        for name, part in decoder.named_modules()
    }


@needs_onednn
def test_the_decoder_is_left_as_it_is(make_decoder, ragged):
    """Its classes and attributes, gradients, what is saved, what is pickled."""
    decoder = make_decoder()
    prompt, lengths, tokens = ragged(n_utt=3)
    before, weights = inside(decoder), copy.deepcopy(decoder.state_dict())
    view = SearchView(decoder, ONEDNN)
    view.batch_score(tokens[:, :1], [view.batch_init_state(prompt)] * 3, None)
    assert any(isinstance(part, PackedLinear) for part in view.modules())
    assert inside(decoder) == before
    assert list(decoder.state_dict()) == list(weights)
    for name, value in decoder.state_dict().items():
        assert torch.equal(value, weights[name])
    sizes = torch.full((3,), tokens.shape[1])
    decoder(prompt, lengths, tokens, sizes)[0].sum().backward()
    assert all(p.grad is not None for p in decoder.parameters())
    assert b"packed" not in pickle.dumps(decoder.eval())


@needs_onednn
def test_weights_are_held_once_beside_what_is_packed(make_decoder):
    decoder = make_decoder()
    view = SearchView(decoder, ONEDNN)
    shared = {p.data_ptr() for p in decoder.parameters()}
    assert {p.data_ptr() for p in view.parameters()} == shared
    for plain in (SearchView(decoder, PLAIN), SearchView(decoder, BACKENDS["graphs"])):
        assert plain.decoder is decoder
    # nothing more in what is saved either
    assert list(view.decoder.state_dict()) == list(decoder.state_dict())


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_that_changed_need_another_view(backend):
    """Trained on after a search, teacher-forced and in the next search."""
    decoder = MTLADecoder(7, 16, attention_heads=2, num_blocks=1).eval()
    x, ys, sizes = torch.randn(2, 6, 16), torch.ones(2, 3).long(), torch.tensor([3, 3])
    sgd = torch.optim.SGD(decoder.parameters(), lr=1.0)
    scorers = {"decoder": decoder}
    search = BatchBeamSearch(scorers, {"decoder": 1.0}, 2, 7, sos=6, eos=6)
    for _ in range(3):
        want, _ = decoder(x, torch.tensor([6, 6]), ys, sizes)
        use_view(search, BACKENDS[backend])
        view = search.full_scorers["decoder"]
        assert isinstance(view, SearchView) and view is search.scorers["decoder"]
        got, _ = view.batch_score(ys, [view.batch_init_state(x)] * 2, None)
        scores = want.log_softmax(-1)
        torch.testing.assert_close(got, scores[:, -1].detach(), atol=1e-4, rtol=0)
        scores[..., 1].mean().backward()
        sgd.step()
        sgd.zero_grad()


@pytest.mark.parametrize("context", ["prompt", "cross"])
@torch.no_grad()
def test_a_quantised_decoder_is_searched_with_as_it_is(context):
    """``--quantize_asr_model`` replaces what is exactly ``torch.nn.Linear``."""
    decoder = MTLADecoder(7, 16, attention_heads=2, num_blocks=1, context=context)
    decoder.eval()
    SearchView(decoder)
    small = torch.ao.quantization.quantize_dynamic(
        decoder, {torch.nn.Linear}, torch.qint8
    )
    assert not any(type(part) is torch.nn.Linear for part in small.modules())
    view = SearchView(small)
    assert view.decoder is small
    x, ys = torch.randn(2, 6, 16), torch.randint(7, (4, 1))
    got, want = (
        d.batch_score(ys, [d.batch_init_state(x)] * 4, None)[0] for d in (view, decoder)
    )
    torch.testing.assert_close(got, want, atol=0.2, rtol=0)


@needs_onednn
@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]
)
@torch.no_grad()
def test_a_view_can_be_copied(way):
    decoder = MTLADecoder(7, 16, attention_heads=2, num_blocks=1).eval()
    x, ys = torch.randn(2, 6, 16), torch.ones(4, 1, dtype=torch.long)
    view = SearchView(decoder, ONEDNN)
    got, want = (
        v.batch_score(ys, [v.batch_init_state(x)] * 4, None)[0]
        for v in (way(view), view)
    )
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@torch.no_grad()
def test_other_types(make_decoder, ragged, dtype):
    decoder = make_decoder().to(dtype)
    prompt, lengths, tokens = ragged(n_utt=3, n_tokens=4)
    for backend in (None, *BACKENDS.values()):
        got, want = (
            d.batch_score(
                tokens,
                [d.batch_init_state(prompt.to(dtype), xs_lengths=lengths)] * 3,
                None,
            )[0]
            for d in (SearchView(decoder, backend), decoder)
        )
        assert got.dtype == torch.promote_types(dtype, torch.float32)
        # attention's softmax is float32 in every type
        allowed = 1e-5 if dtype == torch.float64 else 0.1
        torch.testing.assert_close(got, want, atol=allowed, rtol=allowed / 2)


@needs_onednn
@torch.no_grad()
def test_autocast_is_left_to_pytorch(make_decoder, ragged):
    decoder = make_decoder()
    prompt, _, tokens = ragged(n_utt=3, n_tokens=4)
    with torch.autocast("cpu", torch.bfloat16):
        got, want = (
            d.batch_score(tokens, [d.batch_init_state(prompt)] * 3, None)[0]
            for d in (SearchView(decoder, ONEDNN), decoder)
        )
    assert torch.equal(got, want)


def test_training_and_autocast_on_cuda_take_ordinary_steps(monkeypatch):
    decoder = MTLADecoder(7, 16, attention_heads=2, num_blocks=1).eval()
    view, ys = SearchView(decoder, BACKENDS["graphs"]), torch.ones(2, 1).long()

    def fixed():
        begun = [view.batch_init_state(torch.randn(2, 6, 16))] * 2
        return isinstance(view.batch_score(ys, begun, None)[1], FixedState)

    assert fixed()
    decoder.train()
    assert not fixed()
    decoder.eval()
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: device == "cuda")
    assert not fixed()
