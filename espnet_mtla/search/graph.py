"""Decoding steps of fixed shape, and their capture as a CUDA graph.

An ordinary step is shaped by how many tokens there are. Here the token's index is in
a tensor and all reserved slots of the tails are read, those not in use masked: so the
steps between two growths of the tails are one sequence of kernels over the same
memory, which a GPU can run without the host.
"""

import time
from dataclasses import dataclass
from functools import cache
from typing import Self

import torch

from espnet_mtla.attention.cache import TailCache
from espnet_mtla.attention.layout import Geometry
from espnet_mtla.attention.step import Step
from espnet_mtla.decoder.scorer import StepScorer
from espnet_mtla.decoder.state import DecoderState
from espnet_mtla.search.backend import Backend


@dataclass
class Captures:
    """What captures took so far, so that it can be reported apart."""

    count: int = 0
    seconds: float = 0.0


CAPTURES = Captures()


@cache
def capture_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream that captures on a GPU; PyTorch's own is of one GPU alone."""
    return torch.cuda.Stream(device)


class FixedStep(Step):
    """A :class:`Step` that no host integer tells from the next one.

    Args:
        lengths: prompt frames of each hypothesis's utterance, ``(N,)``.
        index: text tokens before this one, ``(1,)``.
        n_slots: slots to read; those not in use are masked.
        geometry: the variant's.
    """

    index: torch.Tensor

    def __init__(
        self,
        lengths: torch.Tensor,
        index: torch.Tensor,
        n_slots: int,
        geometry: Geometry,
    ):
        super().__init__(lengths, 0, geometry)
        self.index = index
        self.ragged = True
        self.n_slots = n_slots

    def put(self, buffer: torch.Tensor, new: torch.Tensor) -> None:
        """See :meth:`Step.put`."""
        buffer.index_copy_(2, self.index, new.unsqueeze(2))


class FixedSteps:
    """The steps of a batch's hypotheses until their tails grow.

    The first step of a kind runs as it is: that compiles, loads and allocates what a
    capture must not. On CUDA the next is captured, and that and all others are replays.

    Args:
        decoder: whose ``advance`` takes a step.
        state: of the batch. Its prompts stay as they are, and the buffers of its tails
            where they are from now on; see :meth:`fits`.
    """

    def __init__(self, decoder: StepScorer, state: "FixedState"):
        self.decoder, self.ran = decoder, state.ran
        self.prompt, self.tail, self.lengths = state.prompt, state.tail, state.lengths
        self.buffers = self.tail.buffers
        self.spare = tuple(torch.zeros_like(b) for b in self.buffers)
        self.tokens = torch.zeros_like(self.lengths)
        self.index = self.lengths.new_zeros(1)
        cached = self.prompt.layers[0].keys
        self.kernels = state.backend.kernels
        if self.kernels:
            from espnet_mtla.search.kernels import fuse  # needs Triton

            self.decoder = fuse(decoder, cached.shape[2] + self.buffers[0].shape[3] + 1)
        self.kind = (
            *(len(self.prompt.lengths), self.tail.n_hyp, cached.shape[2] > 0),
            *(cached.dtype, cached.device),
        )
        self.graphed = state.backend.graphs and self.lengths.is_cuda
        self.graph: torch.cuda.CUDAGraph | None = None
        self.logits: torch.Tensor
        self.newest: torch.Tensor

    def fits(self, tail: TailCache) -> bool:
        """Whether ``tail`` is where it was: neither grown nor another batch's."""
        return self.buffers is tail.buffers

    def __call__(self, tokens: torch.Tensor, index: int) -> torch.Tensor:
        """Feed one token to every hypothesis.

        Args:
            tokens: ``(N,)``.
            index: text tokens before them.

        Returns:
            Logits ``(N, V)``, which the next call may write over.
        """
        self.tokens.copy_(tokens)
        self.index.fill_(index)
        if not self.graph and self.graphed and self.kind in self.ran:
            self._capture()
        if self.graph:
            self.graph.replay()
        else:
            self._run()
            self.ran.add(self.kind)
        return self.logits

    def _run(self) -> None:
        """One step from :attr:`tokens` and :attr:`index` to :attr:`logits`."""
        n_slots = self.buffers[0].shape[3]
        at = FixedStep(self.lengths, self.index, n_slots, self.tail.geometry)
        self.newest = at.slot
        self.logits = self.decoder.advance(self.tokens, self.prompt, self.tail, at)

    def _capture(self) -> None:
        torch.cuda.synchronize()
        begin = time.perf_counter()
        self.graph = torch.cuda.CUDAGraph()
        device = self.tokens.device
        with (
            torch.cuda.device(device),
            torch.cuda.graph(
                self.graph,
                stream=capture_stream(device),
                capture_error_mode="thread_local",  # others may load data meanwhile
            ),
        ):
            self._run()
        CAPTURES.seconds += time.perf_counter() - begin
        CAPTURES.count += 1

    def reorder(self, parents: torch.Tensor) -> None:
        """What :meth:`TailCache.reorder` does, in buffers that stay where they are."""
        for buffer, spare in zip(self.buffers, self.spare):
            if self.kernels:
                from espnet_mtla.attention.fused import copy_rows

                copy_rows(buffer, spare, self.newest, parents)
                copy_rows(spare, buffer, self.newest)
            else:
                old, new = (b[:, :, :, : self.tail.n_slots] for b in (buffer, spare))
                torch.index_select(old, 1, parents, out=new)
                old.copy_(new)


class FixedState(DecoderState):
    """A batch of hypotheses whose steps have a fixed shape.

    Args:
        begun: which it takes the place of; no step was taken.
        backend: which says what the steps run with.
        ran: kinds of steps that ran, to which theirs are added.
    """

    def __init__(self, begun: DecoderState, backend: Backend, ran: set[tuple]):
        super().__init__(begun.prompt, begun.tail)
        self.backend, self.ran = backend, ran
        self.steps: FixedSteps | None = None

    def step(self, decoder: StepScorer, tokens: torch.Tensor) -> torch.Tensor:
        """See :meth:`DecoderState.step`; the next one may write over the logits."""
        self.tail.place(self.lengths)
        if self.steps is None or not self.steps.fits(self.tail):
            self.steps = None  # two captures are never held
            self.steps = FixedSteps(decoder, self)
        return self.steps(tokens, self.tail.length - 1)

    def _follow(self, parents: torch.Tensor) -> None:
        (self.steps or self.tail).reorder(parents)

    def keep(self, rows: torch.Tensor) -> Self:
        """See :meth:`DecoderState.keep`."""
        self.steps = None  # it holds the buffers
        return super().keep(rows)
