"""A decoder as one search runs it: its weights, with what makes its steps fast.

A view is made where a search is set up, and thrown away with it. The decoder is left as
it is: to be trained, copied, quantised, or searched with in plain PyTorch.
"""

from typing import Any

import torch

from espnet_mtla.decoder.prompt import PromptDecoder
from espnet_mtla.decoder.scorer import StateScorer
from espnet_mtla.decoder.state import DecoderState
from espnet_mtla.search.backend import Backend, choose
from espnet_mtla.search.graph import FixedState
from espnet_mtla.search.packed import pack


class SearchView(torch.nn.Module, StateScorer):
    """A scorer that scores as a decoder does, in the way of a backend.

    It is made of the decoder's own parameters, which stay as they are while it is used:
    weights that change need another view.

    Args:
        decoder: on the device and of the type to search with.
        backend: what to run with; the fastest one when None.
    """

    def __init__(self, decoder: PromptDecoder, backend: Backend | None = None):
        super().__init__()
        self.backend = choose(decoder) if backend is None else backend
        self.decoder = pack(decoder) if self.backend.packs else decoder
        # held as no part of this module, of which it would have the same parameters
        self.of = (decoder,)
        self.vocab_size = decoder.vocab_size
        self.ran: set[tuple] = set()
        """Kinds of steps that ran: all that they need is compiled and loaded."""

    def batch_init_state(
        self, x: torch.Tensor, xs_lengths: torch.Tensor | None = None
    ) -> DecoderState:
        """See :meth:`StateScorer.batch_init_state`."""
        return self.decoder.batch_init_state(x, xs_lengths)

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


def use_view(search: Any, backend: Backend | None = None) -> None:
    """Have a search score with a view of its decoder, where it scores with one of ours.

    Called again, as after weights changed, it makes another view.

    Args:
        search: ESPnet's ``BeamSearch``, or one of its subclasses.
        backend: of the view; the fastest one when None.
    """
    decoder = search.scorers.get("decoder")
    if isinstance(decoder, SearchView):
        (decoder,) = decoder.of
    if isinstance(decoder, PromptDecoder):
        view = SearchView(decoder, backend)
        search.scorers["decoder"] = search.full_scorers["decoder"] = view
