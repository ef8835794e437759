"""The decoder's cache: prompts once an utterance, tails once a hypothesis.

:class:`PromptCache` is built by ``batch_init_state`` and only read afterwards.
:class:`TailCache` holds preallocated buffers for all layers at once, written in
place by each step; a beam reorder gathers its rows into a second set of buffers
(so siblings of one parent never share an open chunk) and swaps the two.
"""

from dataclasses import dataclass
from typing import Protocol

import torch

from espnet_mtla.attention.contract import LayerCache
from espnet_mtla.attention.layout import Geometry
from espnet_mtla.attention.step import Step, slot_count


class CacheLayout(Protocol):
    """What a prompt cache needs to know of a batch.

    Attributes:
        lengths: prompt frames in front of each text, ``(B,)``.
        cached: cached positions that are each utterance's own, ``(B,)``.
    """

    lengths: torch.Tensor
    cached: torch.Tensor


class Tails(Protocol):
    """What tails need to know of the attention that writes them.

    Attributes:
        tail_shapes: ``(G, w)`` of each tail buffer.
        geometry: how it counts positions.
        cache_elements: cached numbers a token and layer.
    """

    @property
    def tail_shapes(self) -> tuple[tuple[int, int], ...]: ...

    @property
    def geometry(self) -> Geometry: ...

    @property
    def cache_elements(self) -> float: ...


@dataclass
class PromptCache:
    """Every layer's cache of ``B`` prompts, shared by all their hypotheses.

    Attributes:
        layers: one a layer.
        lengths: prompt frames in front of each text, ``(B,)``; none where they
            are attended to as a source instead.
        unused: cached positions that are padding, ``(B, 1, 1, S)``; None when
            there are none.
        open_range: least and most frames in an open chunk, on the host.
    """

    layers: list[LayerCache]
    lengths: torch.Tensor
    unused: torch.Tensor | None
    open_range: tuple[int, int]

    @classmethod
    def build(
        cls, layers: list[LayerCache], layout: CacheLayout, stride: int
    ) -> "PromptCache":
        """Collect what the layers cached; the one place that reads lengths back.

        Args:
            layers: one a layer, made with ``layout``.
            stride: packed positions a slot of the tail.
        """
        n_cached = layers[0].keys.shape[2]
        full = bool((layout.cached == n_cached).all())
        slots = torch.arange(n_cached, device=layout.cached.device)
        rest = layout.lengths % stride
        return cls(
            layers,
            layout.lengths,
            None if full else (slots >= layout.cached[:, None])[:, None, None],
            (int(rest.min()), int(rest.max())),
        )

    def keep(self, rows: torch.Tensor) -> None:
        """Keep the prompts ``rows`` alone; only one layer is held twice meanwhile."""
        for i, cached in enumerate(self.layers):
            self.layers[i] = cached.select(rows)
        self.lengths = self.lengths[rows]
        if self.unused is not None:
            self.unused = self.unused[rows]

    def nbytes(self) -> int:
        """Bytes held."""
        return sum(t.nbytes for cached in self.layers for t in cached.tensors())


class TailCache:
    """What each hypothesis caches by itself, for all layers.

    Args:
        buffers: one ``(layers, N, G, capacity, w)`` for each of the variant's
            ``tail_shapes``.
        geometry: the variant's.
        open_range: least and most frames of an open chunk that a tail starts with.
        length: text tokens written, or being written.
    """

    def __init__(
        self,
        buffers: tuple[torch.Tensor, ...],
        geometry: Geometry,
        open_range: tuple[int, int],
        length: int = 0,
    ):
        self.buffers = buffers
        self.geometry = geometry
        self.open_range = open_range
        self.length = length
        self._spare: tuple[torch.Tensor, ...] | None = None

    @classmethod
    def build(cls, prompt: PromptCache, attention: Tails, n_hyp: int) -> "TailCache":
        """Start the tails of ``n_hyp`` hypotheses: empty but for open chunks."""
        first, n_layers = prompt.layers[0], len(prompt.layers)
        buffers = tuple(
            first.keys.new_zeros(n_layers, n_hyp, groups, 16, width)
            for groups, width in attention.tail_shapes
        )
        share = n_hyp // len(prompt.lengths)
        for layer, cached in enumerate(prompt.layers):
            for buffer, slot in zip(buffers, cached.opening or ()):
                buffer[layer, :, :, 0] = slot.repeat_interleave(share, dim=0)
        return cls(buffers, attention.geometry, prompt.open_range)

    @property
    def n_hyp(self) -> int:
        """``N``, hypotheses held."""
        return self.buffers[0].shape[1]

    @property
    def n_slots(self) -> int:
        """Slots in use, at least one (an open chunk may wait there)."""
        return max(1, self._slots(self.length))

    def _slots(self, length: int) -> int:
        return slot_count(self.open_range[1], length, self.geometry.stride)

    def layer(self, i: int) -> tuple[torch.Tensor, ...]:
        """Layer ``i``'s buffers, ``(N, G, capacity, w)`` each, to write into."""
        return tuple(buffer[i] for buffer in self.buffers)

    def place(self, lengths: torch.Tensor) -> Step:
        """Count one more token of every hypothesis, and say where it stands.

        Its slot is there from then on: buffers that are full double.

        Args:
            lengths: prompt frames of each hypothesis's utterance, ``(N,)``.
        """
        if self._slots(self.length + 1) > self.buffers[0].shape[3]:
            self.buffers = tuple(
                torch.cat((b, torch.zeros_like(b)), dim=3) for b in self.buffers
            )
            self._spare = None
        self.length += 1
        return Step(lengths, self.length - 1, self.geometry, self.open_range)

    def reorder(self, parents: torch.Tensor) -> None:
        """Replace hypothesis ``n`` by a copy of hypothesis ``parents[n]``, ``(N,)``.

        Slots that are not in use yet may hold anything finite.
        """
        if self._spare is None:
            self._spare = tuple(torch.zeros_like(b) for b in self.buffers)
        for buffers in zip(self.buffers, self._spare):
            old, new = (b[:, :, :, : self.n_slots] for b in buffers)
            torch.index_select(old, 1, parents, out=new)
        self.buffers, self._spare = self._spare, self.buffers

    def keep(self, hyps: torch.Tensor) -> None:
        """Keep the hypotheses ``hyps`` alone."""
        self.buffers = tuple(b[:, hyps] for b in self.buffers)
        self._spare = None

    def row(self, i: int) -> "TailCache":
        """Copy out hypothesis ``i``, no larger than the slots it uses."""
        used = self.n_slots
        return TailCache(
            tuple(b[:, i : i + 1, :, :used].clone() for b in self.buffers),
            self.geometry,
            self.open_range,
            self.length,
        )

    @classmethod
    def stack(cls, rows: list["TailCache"]) -> "TailCache":
        """Hold copied-out hypotheses together again, with room to grow."""
        used = rows[0].n_slots
        buffers = []
        for held in zip(*(row.buffers for row in rows)):
            rows_used = torch.cat([p[:, :, :, :used] for p in held], dim=1)
            room = rows_used.new_zeros(
                *rows_used.shape[:3], 32 - used % 16, rows_used.shape[4]
            )
            buffers.append(torch.cat((rows_used, room), dim=3))
        head = rows[0]
        return cls(tuple(buffers), head.geometry, head.open_range, head.length)

    def nbytes(self) -> int:
        """Bytes of the slots in use (not of reserved room)."""
        full = self.buffers[0].shape[3]
        return sum(b.nbytes // full * self.n_slots for b in self.buffers)
