"""Our modules with the authors' cache handling, for the paper's ratios.

As their engine does, the prompt's cache is copied for each hypothesis, every new
slot is concatenated to the whole cache, and every reorder of the beam gathers all of
it. To our layers such a cache is a tail behind no prompt whose text is
``[prompt ; text]``; so prompts must not be padded. Linear layers are PyTorch's, as
theirs are.
"""

import torch

from espnet_mtla.attention.step import Step
from espnet_mtla.compat import BatchScorerInterface
from espnet_mtla.decoder.prompt import PromptDecoder
from espnet_mtla.decoder.state import DecoderState


class TiledState:
    """Every layer's cache of ``N`` hypotheses, prompts and all.

    Args:
        layers: for each the buffers of its variant, ``(N, G, slots, w)``.
        length: prompt frames and text tokens in them.
    """

    def __init__(self, layers: list[tuple[torch.Tensor, ...]], length: int):
        self.layers = layers
        self.length = length

    def gather(self, rows: torch.Tensor) -> "TiledState":
        """Copy out hypotheses ``(N,)``."""
        for i, buffers in enumerate(self.layers):
            self.layers[i] = tuple(b.index_select(0, rows) for b in buffers)
        return self

    def nbytes(self) -> int:
        """Bytes held."""
        return sum(b.nbytes for buffers in self.layers for b in buffers)


class TiledScorer(torch.nn.Module, BatchScorerInterface):
    """What an engine with one state of ``N`` tiled hypotheses offers to the search.

    Args:
        n_vocab: ``V``.
    """

    def __init__(self, n_vocab: int):
        super().__init__()
        self.n_vocab = n_vocab

    def batch_select_state(self, state, top_ids: torch.Tensor):
        """Gather the whole cache by the beam's choice, ``(B, K)`` ids ``h V + v``."""
        n_utt, beam = top_ids.shape
        first = torch.arange(n_utt, device=top_ids.device)[:, None] * beam
        return state.gather((top_ids // self.n_vocab + first).flatten())

    def select_utterances(self, state, rows: torch.Tensor):
        """Not asked for: all texts end at the same step."""
        raise NotImplementedError


class TiledDecoder(TiledScorer):
    """A prompt decoder of ours, made to handle its cache as the authors' engine.

    Args:
        decoder: ours; its weights are shared.
    """

    def __init__(self, decoder: PromptDecoder):
        super().__init__(decoder.vocab_size)
        self.decoder = decoder

    def batch_init_state(
        self, x: torch.Tensor, xs_lengths: torch.Tensor | None = None
    ) -> DecoderState:
        """Cache the prompts ``(B, T, D)``, not yet copied."""
        self.n_frames = x.shape[-2]
        return self.decoder.batch_init_state(x)

    def _tile(self, state: DecoderState, n_hyp: int) -> TiledState:
        """Copy every prompt's cache for each of its hypotheses."""
        prompt = state.prompt
        share = n_hyp // len(prompt.lengths)
        layers = []
        for part in prompt.layers:
            owned = (part.keys, part.values)[: len(self.decoder.attention.tail_shapes)]
            if part.opening and self.n_frames % self.decoder.attention.stride:
                owned = tuple(
                    torch.cat((buffer, slot[:, :, None]), dim=2)
                    for buffer, slot in zip(owned, part.opening)
                )
            layers.append(tuple(b.repeat_interleave(share, dim=0) for b in owned))
        return TiledState(layers, self.n_frames)

    def batch_score(
        self, ys: torch.Tensor, states, xs: torch.Tensor
    ) -> tuple[torch.Tensor, TiledState]:
        """Score the next token of ``N`` hypotheses ``(N, L)``: ``(N, V)``."""
        state = self._tile(states[0], len(ys)) if isinstance(states, list) else states
        decoder, attention = self.decoder, self.decoder.attention
        nowhere = torch.zeros(len(ys), dtype=torch.int64, device=ys.device)
        at = Step(nowhere, state.length, attention.geometry)
        x = decoder.embed(ys[:, -1])
        for i, layer in enumerate(decoder.layers):
            if state.length % attention.stride == 0:
                state.layers[i] = tuple(
                    torch.cat((b, torch.zeros_like(b[:, :, :1])), dim=2)
                    for b in state.layers[i]
                )
            x = layer.step(x, None, None, state.layers[i], at)
        state.length += 1
        logits = decoder.output_layer(decoder.after_norm(x))
        return logits.log_softmax(-1), state
