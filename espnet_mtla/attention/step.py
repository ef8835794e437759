"""Where the token of a decoding step stands on the packed sequence and in the cache.

Made once a step and shared by all layers; see :mod:`.layout`.
"""

from functools import cached_property

import torch

from espnet_mtla.attention.layout import Geometry, chunk_embedding
from espnet_mtla.attention.rope import rope_phase


class Step:
    """One decoding step: the same token index for every hypothesis.

    Args:
        lengths: prompt frames of each hypothesis's utterance, ``(N,)``.
        index: text tokens before this one, a host integer.
        geometry: the variant's.
        open_range: smallest and largest open chunk of the prompts, on the host,
            so that no step waits for the device.
    """

    def __init__(
        self,
        lengths: torch.Tensor,
        index: int,
        geometry: Geometry,
        open_range: tuple[int, int] = (0, 0),
    ):
        self.lengths = lengths
        self.index: int | torch.Tensor = index  # of a fixed step a tensor
        self.geometry = geometry
        self.stride = geometry.stride
        least, most = open_range
        self.n_slots = slot_count(most, index + 1, self.stride)
        self.ragged = (least + index) // self.stride != (most + index) // self.stride

    def put(self, buffer: torch.Tensor, new: torch.Tensor) -> None:
        """Write ``(N, G, w)`` into this token's own slot of ``(N, G, capacity, w)``."""
        buffer[:, :, self.index] = new

    @cached_property
    def phase(self) -> torch.Tensor:
        """Rotary phase of this token, ``(N, rope_width / 2)``."""
        return rope_phase(self.lengths + self.index, self.geometry.rope_width)

    @cached_property
    def rows(self) -> torch.Tensor:
        """``arange(N)``, to index one slot in each hypothesis's tail."""
        return torch.arange(len(self.lengths), device=self.lengths.device)

    @cached_property
    def chunks(self) -> torch.Tensor:
        """Cached positions of each hypothesis's prompt, ``(N,)``."""
        return self.lengths // self.stride

    @cached_property
    def slot(self) -> torch.Tensor:
        """Tail slot that this token is merged into, ``(N,)``."""
        return (self.lengths % self.stride + self.index) // self.stride

    @cached_property
    def chunk(self) -> torch.Tensor:
        """Index of this token's chunk, ``(N,)``."""
        return (self.lengths + self.index) // self.stride

    @cached_property
    def embedding(self) -> torch.Tensor:
        """Embedding of this token's chunk, ``(N, chunk_width)``."""
        return chunk_embedding(self.chunk, self.geometry.chunk_width)

    @cached_property
    def opens(self) -> torch.Tensor:
        """Whether this token is the first of its chunk, ``(N, 1)``."""
        return ((self.lengths + self.index) % self.stride == 0).unsqueeze(-1)

    @cached_property
    def tail_unused(self) -> torch.Tensor | None:
        """Slots not in use yet, ``(N, 1, 1, n_slots)``; None when all are."""
        if not self.ragged:
            return None
        j = torch.arange(self.n_slots, device=self.lengths.device)
        return (j > self.slot[:, None])[:, None, None]


def slot_count(open_frames: int, n_tokens: int, stride: int) -> int:
    """Tail slots taken by an open chunk and the text behind it."""
    return -(-(open_frames + n_tokens) // stride)
