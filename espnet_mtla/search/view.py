"""A scorer as one search runs it: its weights, with what makes its steps fast.

A view is made where a search is set up, and thrown away with it. The decoder, ours or
ESPnet's, or the language model is left as it is: to be trained, copied, quantised, or
searched with in plain PyTorch.
"""

import copy
from typing import Any

import torch

from espnet_mtla.decoder.scorer import StateScorer, StepScorer
from espnet_mtla.decoder.state import DecoderState
from espnet_mtla.search.backend import Backend, choose
from espnet_mtla.search.graph import FixedState
from espnet_mtla.search.packed import pack
from espnet_mtla.search.stock_check import stock_scorer, why_not_stock


class SearchView(torch.nn.Module, StateScorer):
    """A scorer that scores as another does, in the way of a backend.

    It is made of the other's own parameters (of copies in another type, if asked for),
    which stay as they are while it is used: weights that change need another view.

    Args:
        scorer: a decoder of ours or one of ESPnet's scorers that :mod:`.stock` takes; on
            the device and of the type to search with.
        backend: what to run with; the fastest one when None.
        dtype: to run in, with weights of its own; the scorer's when None.
    """

    def __init__(
        self,
        scorer: torch.nn.Module,
        backend: Backend | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        run = scorer if dtype is None else copy.deepcopy(scorer).to(dtype)
        self.dtype = next(run.parameters()).dtype
        self.backend = choose(run) if backend is None else backend
        steps = run if isinstance(run, StepScorer) else stock_scorer(run)
        self.decoder = pack(steps) if self.backend.packs else steps
        # held as no part of this module, of which it would have the same parameters
        self.of = (scorer,)
        self.vocab_size = steps.vocab_size
        self.ran: set[tuple] = set()
        """Kinds of steps that ran: all that they need is compiled and loaded."""

    def batch_init_state(
        self, x: torch.Tensor, xs_lengths: torch.Tensor | None = None
    ) -> DecoderState:
        """See :meth:`StateScorer.batch_init_state`."""
        return self.decoder.batch_init_state(x.to(self.dtype), xs_lengths)

    @torch.no_grad()
    def batch_score(
        self,
        ys: torch.Tensor,
        states: DecoderState | list[DecoderState],
        xs: torch.Tensor,
        xs_mask: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, DecoderState]:
        """See :meth:`StateScorer.batch_score`."""
        # a list with tails is gathered anew at every step
        if isinstance(states, list) and not states[0].begun and self._fixes():
            begun = DecoderState.gather(states, self.decoder.attention)
            states = FixedState(begun, self.backend, self.ran)
        return self.decoder.batch_score(ys, states, xs, xs_mask)

    def _fixes(self) -> bool:
        # autocast may drop a weight's copy that a graph goes on reading
        plain = self.decoder.training or torch.is_autocast_enabled("cuda")
        return self.backend.fixes and not plain


VIEWED = "decoder", "lm"
"""What ESPnet calls the scorers that take time."""


def use_view(
    search: Any, backend: Backend | None = None, dtype: torch.dtype | None = None
) -> dict[str, str | None]:
    """Have a search score with views of those scorers that there is a view for.

    Called again, as after weights changed, it makes others.

    Args:
        search: ESPnet's ``BeamSearch``, or one of its subclasses.
        backend: of the views; the fastest one when None.
        dtype: of the views; that of each scorer when None.

    Returns:
        For each decoder and language model of the search why it has no view, None where
        it has one.
    """
    reasons = {}
    for name in VIEWED:
        scorer = search.full_scorers.get(name)
        if scorer is None:
            continue
        if isinstance(scorer, SearchView):
            (scorer,) = scorer.of
        why = None if isinstance(scorer, StepScorer) else why_not_stock(scorer)
        reasons[name] = why
        if why is None:
            view = SearchView(scorer, backend, dtype)
            search.scorers[name] = search.full_scorers[name] = view
    return reasons
