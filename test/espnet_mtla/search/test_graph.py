"""Steps of fixed shape equal ordinary ones; on CUDA they are captured and replayed.

Those with kernels are here on CUDA alone; ``kernel_cases.py`` has them interpreted.
"""

import pytest
import torch

from espnet_mtla.search import graph
from espnet_mtla.search.backend import CUDA, PLAIN, Backend
from espnet_mtla.search.view import SearchView

GRAPHS = Backend(graphs=True)
PARTS = {"graph": GRAPHS, "graph kernel": CUDA}
DEVICES = [("cpu", "graph")]
if torch.cuda.is_available():
    DEVICES += [("cuda", "graph"), ("cuda", "graph kernel")]


def search(view, prompt, lengths, tokens, parents, left):
    """Log-probabilities of every step of a beam's random history."""
    beam, vocab, steps = parents.shape[2], view.decoder.vocab_size, []
    state = [view.batch_init_state(prompt, xs_lengths=lengths)] * tokens.shape[1]
    ys = tokens[0, :, None]
    for i, (new, chosen) in enumerate(zip(tokens[1:], parents)):
        scores, state = view.batch_score(ys, state, None)
        steps.append(scores)
        n_utt = len(state.prompt.lengths)
        chosen, new = chosen[:n_utt], new[: n_utt * beam]
        state = view.batch_select_state(state, chosen * vocab + new.view(n_utt, -1))
        first = torch.arange(n_utt, device=ys.device)[:, None] * beam
        ys = torch.cat((ys[(chosen + first).flatten()], new[:, None]), dim=1)
        if i == 9:  # an utterance is done
            state = view.select_utterances(state, left)
            ys = ys.view(n_utt, beam, -1)[left].flatten(0, 1)
    return steps


@pytest.mark.parametrize(("device", "parts"), DEVICES)
@torch.no_grad()
def test_equals_ordinary_steps(make_decoder, ragged, device, parts):
    """Through reorders, an utterance's end, and tails that grow."""
    decoder = make_decoder().to(device)
    prompt, lengths, _ = ragged(n_utt=3)
    beam = 2
    tokens = torch.randint(1, 11, (40, 3 * beam))
    parents = torch.randint(0, beam, (39, 3, beam))
    left = torch.randperm(3)[:2].sort()[0]
    history = [x.to(device) for x in (prompt, lengths, tokens, parents, left)]
    want = search(SearchView(decoder, PLAIN), *history)
    captures = graph.CAPTURES.count
    got = search(SearchView(decoder, PARTS[parts]), *history)
    for one, other in zip(got, want):
        allowed = 1e-5 if device == "cpu" else 1e-4  # other kernels for other shapes
        torch.testing.assert_close(one, other, atol=allowed, rtol=1e-5)
    # one for each batch and size of the tails, where there is a GPU
    assert (graph.CAPTURES.count > captures) == (device == "cuda")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_half_precision(make_decoder, ragged, dtype):
    decoder = make_decoder()
    prompt, lengths, tokens = ragged(n_utt=3, n_tokens=12)
    decoder.to(dtype)
    state = [decoder.batch_init_state(prompt.to(dtype), xs_lengths=lengths)] * 3
    got, want = (
        SearchView(decoder, backend).batch_score(tokens, state, None)[0]
        for backend in (GRAPHS, PLAIN)
    )
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, want, atol=0.1, rtol=0.05)


@torch.no_grad()
def test_steps_of_a_bucket_are_the_same_operations(make_decoder, ragged):
    """On the same memory, with no answer from the device to the host."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Recorder(TorchDispatchMode):
        def __torch_dispatch__(self, op, types, args=(), kwargs=None):
            shapes = [tuple(a.shape) for a in args if isinstance(a, torch.Tensor)]
            numbers = [a for a in args if isinstance(a, int | float)]
            calls.append((str(op), shapes, numbers))
            return op(*args, **(kwargs or {}))

    view = SearchView(make_decoder(), GRAPHS)
    prompt, lengths, tokens = ragged(n_utt=3, n_tokens=15)
    state = [view.batch_init_state(prompt, xs_lengths=lengths)] * 3
    seen, places = [], []
    for i in range(1, 15):
        _, state = view.batch_score(tokens[:, :i], state, None)
        calls: list = []
        with Recorder():
            state.steps._run()
        seen.append(calls)
        places.append([b.data_ptr() for b in state.tail.buffers])
        state = view.batch_select_state(state, torch.zeros(3, 1, dtype=torch.int64))
    assert all(calls == seen[0] for calls in seen)
    assert all(place == places[0] for place in places)
    assert not any("item" in op or "_local_scalar" in op for op, *_ in seen[0])


@torch.no_grad()
def test_lists_of_states_make_plain_steps(make_decoder, ragged, monkeypatch):
    """They are gathered anew at every step: a capture would be of no use."""
    made = []

    def steps(*args, kind=graph.FixedSteps):
        made.append(args)
        return kind(*args)

    monkeypatch.setattr(graph, "FixedSteps", steps)
    decoder = make_decoder()
    view = SearchView(decoder, GRAPHS)
    prompt, lengths, tokens = ragged(n_utt=1, n_tokens=6)
    states = [view.batch_init_state(prompt, xs_lengths=lengths)]
    for i in range(1, 7):
        scores, batch = view.batch_score(tokens[:, :i], states, None)
        states = [view.select_state(batch, 0)]
    assert len(made) == 1  # of the first token, of which it is not known
    state = [decoder.batch_init_state(prompt, xs_lengths=lengths)]
    want, _ = decoder.batch_score(tokens, state, None)
    torch.testing.assert_close(scores, want, atol=1e-5, rtol=1e-5)
