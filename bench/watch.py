"""Where the time of a search goes: prompts, decoder, CTC, and the search itself."""

import contextlib
import functools
import time
from collections.abc import Iterator

from bench import machine
from bench.contender import Contender

PARTS = {
    "batch_init_state": "prompt_seconds",
    "batch_score": "decoder_seconds",
    "batch_select_state": "decoder_seconds",
    "select_state": "decoder_seconds",
    "batch_score_partial": "ctc_seconds",
}
"""Methods of the decoder, and what their time counts as; that of other scorers is CTC's."""


@contextlib.contextmanager
def watched(contender: Contender, device: str) -> Iterator[dict]:
    """Time the methods of a contender's scorers while the body runs.

    Yields:
        Seconds in :data:`PARTS`, ``search_seconds`` for the rest, and the decoder's
        largest ``cache_bytes``; complete after the body. On a GPU each method is
        waited for, which costs time of its own.
    """
    spent = dict.fromkeys([*PARTS.values(), "search_seconds"], 0.0)
    spent["cache_bytes"] = 0
    scorers = contender.search.scorers
    for key, scorer in scorers.items():
        for name, part in PARTS.items():
            if hasattr(scorer, name):
                where = part if key == "decoder" else "ctc_seconds"
                _wrap(scorer, name, where, spent, device, contender)
    begin = time.perf_counter()
    try:
        yield spent
    finally:
        machine.wait(device)
        inside = sum(spent[part] for part in set(PARTS.values()))
        spent["search_seconds"] = time.perf_counter() - begin - inside
        for scorer in scorers.values():
            for name in PARTS:
                scorer.__dict__.pop(name, None)


@contextlib.contextmanager
def prompts_timed(contender: Contender, device: str) -> Iterator[list[float]]:
    """Yield a list to which each decoding appends the seconds of its prompts.

    That is ``batch_init_state``, and the whole first step of an engine which
    caches its prompts there.
    """
    seconds: list[float] = []
    decoder = contender.decoder
    begins, scores = decoder.batch_init_state, decoder.batch_score

    @functools.wraps(begins)
    def first(*args, **kwargs):
        machine.wait(device)
        begin = time.perf_counter()
        state = begins(*args, **kwargs)
        machine.wait(device)
        seconds.append(time.perf_counter() - begin)
        return state

    @functools.wraps(scores)
    def step(ys, states, *args, **kwargs):
        if not isinstance(states, list):
            return scores(ys, states, *args, **kwargs)
        begin = time.perf_counter()
        found = scores(ys, states, *args, **kwargs)
        machine.wait(device)
        seconds[-1] += time.perf_counter() - begin
        return found

    decoder.batch_init_state = first
    if contender.fills_first:
        decoder.batch_score = step
    try:
        yield seconds
    finally:
        for name in ("batch_init_state", "batch_score"):
            decoder.__dict__.pop(name, None)


def _wrap(scorer, name, part, spent, device, contender) -> None:
    method = getattr(scorer, name)

    @functools.wraps(method)  # ESPnet's search looks at the signature for xs_mask
    def timed(*args, **kwargs):
        machine.wait(device)
        begin = time.perf_counter()
        result = method(*args, **kwargs)
        machine.wait(device)
        spent[part] += time.perf_counter() - begin
        if name == "batch_score" and scorer is contender.decoder:
            held = contender.cache_bytes(result[1])
            spent["cache_bytes"] = max(spent["cache_bytes"], held)
        return result

    setattr(scorer, name, timed)
