"""Steps of a search as CUDA graphs: the host says which step it is, and no more.

A step of a search is some seventy launches besides the decoder's, and on a GPU they
take as long as all the work. Where a decoder of ours is the only scorer, decoder, search
and reorder are one graph.
"""

from espnet_mtla import gpu
from espnet_mtla.decoder.state import DecoderState
from espnet_mtla.search.end import EndDetection
from espnet_mtla.search.history import Choice
from espnet_mtla.search.slots import Slots


def replays(search, slots: Slots) -> bool:
    """Whether a search's steps can be replayed."""
    decoder = search.full_scorers.get("decoder")
    return (
        list(search.scorers) == ["decoder"]
        and hasattr(decoder, "fixed_steps")
        and gpu.parts(decoder, slots.xs) >= {"graph", "kernel", "search"}
        and slots.yseq.shape[1] == 1  # not behind a primer of several tokens
    )


class Replay:
    """The steps of a search, captured anew when shapes change.

    The first step of a kind runs as it is; see
    :class:`~espnet_mtla.decoder.graph.FixedSteps`.

    Args:
        search: a :class:`~espnet_mtla.search.fast.FastBeamSearch`.
        slots: its hypotheses, of whose tokens the newest are kept alone.
        detection: its end detection, if any.
        empty: score of what an empty slot is extended to.
    """

    def __init__(
        self, search, slots: Slots, detection: EndDetection | None, empty: float
    ):
        self.search, self.slots, self.detection = search, slots, detection
        self.empty = empty
        self.decoder = search.scorers["decoder"]
        state = slots.states["decoder"]
        state = DecoderState.gather(state, self.decoder.attention)
        state.replayed = True
        self.parts = gpu.parts(self.decoder, slots.xs)
        slots.states["decoder"] = state
        self.index = slots.most.new_zeros(())
        self.choice: Choice | None = None

    def __call__(self, i: int) -> Choice:
        """Make step ``i``, counted from 0."""
        state = self.slots.states["decoder"]
        steps = self.decoder.fixed_steps(state, self.parts)
        self.index.fill_(i)
        kind = (*steps.kind, len(self.slots.done))
        steps.advance(self._run, kind)
        choice = self.choice
        found = choice.top_ids, choice.ended, choice.score, choice.sums
        return Choice(self.slots.rows, *(x.clone() for x in found))

    def _run(self) -> None:
        """One step, whose results lie where the next one reads."""
        held = [(self.slots, name) for name in ("score", "sums", "active", "done")]
        if self.detection:
            held += [(self.detection, name) for name in ("best", "recent")]
        before = [getattr(*place) for place in held]
        yseq = self.slots.yseq
        self.choice = self.search._advance(
            self.slots, self.empty, self.index, self.detection
        )
        for place, old in zip(held, before):
            setattr(*place, old.copy_(getattr(*place)))
        self.slots.yseq = yseq.copy_(self.slots.yseq[:, -1:])
