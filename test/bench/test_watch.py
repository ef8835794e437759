from functools import partial
from types import SimpleNamespace

import pytest

from bench import watch


class Engine:
    """Takes 5 s for the prompts, 3 s for the first step and 1 s for each other."""

    def __init__(self):
        self.now = 0.0

    def batch_init_state(self, x):
        self.now += 5

    def batch_score(self, ys, states, xs):
        self.now += 3 if isinstance(states, list) else 1
        return None, ()

    def decode(self):
        states = [self.batch_init_state(None)]
        for _ in range(4):
            _, states = self.batch_score(None, states, None)


@pytest.mark.parametrize(("fills_first", "seconds"), [(False, 5), (True, 8)])
def test_prompts_are_timed_in_each_decoding(fills_first, seconds, monkeypatch):
    engine = Engine()
    monkeypatch.setattr(watch.time, "perf_counter", lambda: engine.now)
    contender = SimpleNamespace(decoder=engine, fills_first=fills_first)
    with watch.prompts_timed(contender, "cpu") as found:
        engine.decode()
        engine.decode()
    engine.decode()
    assert found == [seconds, seconds]


def test_the_cache_is_the_decoders_alone():
    decoder, lm = Engine(), Engine()
    search = SimpleNamespace(scorers={"decoder": decoder, "lm": lm})
    held = {id(decoder): 7, id(lm): 11}
    for engine in (decoder, lm):
        engine.batch_score = partial(lambda of, *args: (None, of), id(engine))
    contender = SimpleNamespace(
        search=search, decoder=decoder, cache_bytes=held.__getitem__
    )
    with watch.watched(contender, "cpu") as seen:
        for engine in (lm, decoder, lm):
            engine.batch_score(None, (), None)
    assert seen["cache_bytes"] == 7
