"""A decoding step of fixed shape, and its capture as a CUDA graph.

An ordinary step is shaped by how many tokens there are. Here the token's index is in
a tensor and all reserved slots of the tails are read, those not in use masked: so the
steps between two growths of the tails are one sequence of kernels over the same
memory, which a GPU can run without the host (:mod:`espnet_mtla.gpu` turns that on).
"""

import time
from dataclasses import dataclass

import torch

from espnet_mtla.attention.cache import PromptCache, TailCache
from espnet_mtla.attention.layout import Step


@dataclass
class Captures:
    """What captures took so far, so that it can be reported apart."""

    count: int = 0
    seconds: float = 0.0


CAPTURES = Captures()


class FixedStep(Step):
    """A :class:`Step` that no host integer tells from the next one.

    Args:
        lengths: prompt frames of each hypothesis's utterance, ``(N,)``.
        index: text tokens before this one, ``(1,)``.
        n_slots: slots to read; those not in use are masked.
        rope_width: channels that the attention rotates.
        stride: tokens merged into a chunk.
        chunk_width: width of chunk embeddings.
    """

    def __init__(  # its parent's would count slots on the host
        self,
        lengths: torch.Tensor,
        index: torch.Tensor,
        n_slots: int,
        rope_width: int,
        stride: int,
        chunk_width: int,
    ):
        self.ragged = True
        self.n_slots = n_slots
        self._stand(lengths, index, rope_width, stride, chunk_width)

    def put(self, buffer: torch.Tensor, new: torch.Tensor) -> None:
        """See :meth:`Step.put`."""
        buffer.index_copy_(2, self.index, new.unsqueeze(2))


class GraphedStep:
    """The steps of a batch's hypotheses until their tails grow.

    The first runs as it is, which also warms up what a capture must not start; on
    CUDA the second is captured, and that and all others are replays.

    Args:
        decoder: a :class:`~espnet_mtla.decoder.prompt.PromptDecoder`.
        prompt: which stays as it is.
        tail: whose buffers stay where they are from now on; see :meth:`fits`.
    """

    def __init__(self, decoder, prompt: PromptCache, tail: TailCache):
        tail.pinned = True
        self.decoder, self.prompt, self.tail = decoder, prompt, tail
        self.buffers = tail.buffers
        share = tail.n_hyp // len(prompt.lengths)
        self.lengths = prompt.lengths.repeat_interleave(share)
        self.tokens = torch.zeros_like(self.lengths)
        self.index = self.lengths.new_zeros(1)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.scores: torch.Tensor | None = None

    def fits(self, tail: TailCache) -> bool:
        """Whether ``tail`` is where it was: neither grown nor another batch's."""
        return self.buffers is tail.buffers

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        """Feed one token ``(N,)`` to every hypothesis; log-probabilities ``(N, V)``."""
        self.tokens.copy_(tokens)
        self.index.fill_(self.tail.length)
        if self.scores is not None and tokens.is_cuda:
            if self.graph is None:
                self._capture()
            self.graph.replay()
        else:
            self.scores = self._run()
        self.tail.length += 1
        return self.scores.clone()  # the next replay writes over them

    def _run(self) -> torch.Tensor:
        """One step from :attr:`tokens` and :attr:`index`."""
        attention = self.decoder.attention
        at = FixedStep(
            self.lengths,
            self.index,
            self.buffers[0].shape[3],
            attention.rope_width,
            attention.stride,
            attention.chunk_width,
        )
        return self.decoder.advance(self.tokens, self.prompt, self.tail, at)

    def _capture(self) -> None:
        torch.cuda.synchronize()
        begin = time.perf_counter()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self.tokens.device), torch.cuda.graph(self.graph):
            self.scores = self._run()
        CAPTURES.seconds += time.perf_counter() - begin
        CAPTURES.count += 1
