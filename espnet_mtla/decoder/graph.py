"""Decoding steps of fixed shape, and their capture as a CUDA graph.

An ordinary step is shaped by how many tokens there are. Here the token's index is in
a tensor and all reserved slots of the tails are read, those not in use masked: so the
steps between two growths of the tails are one sequence of kernels over the same
memory, which a GPU can run without the host (:mod:`espnet_mtla.gpu` decides).
"""

import time
from dataclasses import dataclass
from functools import cache
from weakref import WeakKeyDictionary

import torch

from espnet_mtla.attention.cache import PromptCache, TailCache
from espnet_mtla.attention.layout import Geometry
from espnet_mtla.attention.step import Step


@dataclass
class Captures:
    """What captures took so far, so that it can be reported apart."""

    count: int = 0
    seconds: float = 0.0


CAPTURES = Captures()
RAN: WeakKeyDictionary = WeakKeyDictionary()
"""Kinds of steps that ran, of each decoder: all that they need is compiled and loaded."""


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
        kernels: whether latent variants run in Triton.
        gates: what weighs latents, of each attention that has ``gates``.
    """

    def __init__(
        self,
        lengths: torch.Tensor,
        index: torch.Tensor,
        n_slots: int,
        geometry: Geometry,
        kernels: bool,
        gates: dict,
    ):
        super().__init__(lengths, 0, geometry)
        self.index = index
        self.ragged = True
        self.n_slots = n_slots
        self.kernels = kernels
        self.gates = gates

    def put(self, buffer: torch.Tensor, new: torch.Tensor) -> None:
        """See :meth:`Step.put`."""
        buffer.index_copy_(2, self.index, new.unsqueeze(2))


class FixedSteps:
    """The steps of a batch's hypotheses until their tails grow.

    The first step of a kind runs as it is: that compiles, loads and allocates what a
    capture must not. On CUDA the next is captured, and that and all others are replays.

    Args:
        decoder: a :class:`~espnet_mtla.decoder.prompt.PromptDecoder`.
        prompt: which stays as it is.
        tail: whose buffers stay where they are from now on; see :meth:`fits`.
        parts: ``graph`` and ``kernel``, which the steps run with.
    """

    def __init__(
        self, decoder, prompt: PromptCache, tail: TailCache, parts: frozenset[str]
    ):
        tail.pin()
        self.decoder, self.prompt, self.tail = decoder, prompt, tail
        self.parts = parts
        self.buffers = tail.buffers
        share = tail.n_hyp // len(prompt.lengths)
        self.lengths = prompt.lengths.repeat_interleave(share)
        self.tokens = torch.zeros_like(self.lengths)
        self.index = self.lengths.new_zeros(1)
        self.gates = {}
        if "kernel" in parts:
            n_chunks = prompt.parts[0].keys.shape[2] + self.buffers[0].shape[3] + 1
            for layer in decoder.layers:
                if hasattr(layer.self_attn, "gates"):
                    self.gates[layer.self_attn] = layer.self_attn.gates(n_chunks)
        cached = prompt.parts[0].keys
        self.kind = (
            *(len(prompt.lengths), tail.n_hyp, cached.shape[2] > 0),
            *(cached.dtype, cached.device, parts),
        )
        self.graphed = "graph" in parts and self.lengths.is_cuda
        self.graph: torch.cuda.CUDAGraph | None = None
        self.logits: torch.Tensor | None = None
        self.newest: torch.Tensor | None = None

    def fits(self, tail: TailCache) -> bool:
        """Whether ``tail`` is where it was: neither grown nor another batch's."""
        return self.buffers is tail.buffers

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        """Feed one token ``(N,)`` to every hypothesis.

        Returns:
            Logits ``(N, V)``, which the next call may write over.
        """
        self.tokens.copy_(tokens)
        self.index.fill_(self.tail.place(self.lengths).index)
        ran = RAN.setdefault(self.decoder, set())
        if not self.graph and self.graphed and self.kind in ran:
            self._capture()
        if self.graph:
            self.graph.replay()
        else:
            self._run()
            ran.add(self.kind)
        return self.logits

    def _run(self) -> None:
        """One step from :attr:`tokens` and :attr:`index` to :attr:`logits`."""
        at = FixedStep(
            self.lengths,
            self.index,
            self.buffers[0].shape[3],
            self.decoder.attention.geometry,
            "kernel" in self.parts,
            self.gates,
        )
        if at.kernels:
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
