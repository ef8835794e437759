"""Where prompt frames and text tokens stand on the packed sequence.

An utterance's packed sequence is its ``T_b`` valid prompt frames, then its
text; positions, rotary phases and chunks are counted on it from 0. Nothing is
physically packed: the prompt stays a ``(B, T)`` and the text a ``(B, L)``
tensor, and :class:`Layout` says where each element stands. It is made once a forward
pass and shared by all layers.
"""

from dataclasses import dataclass
from functools import cached_property

import torch

from espnet_mtla.attention.rope import rope_phase


@dataclass(frozen=True)
class Geometry:
    """How a variant counts positions.

    Attributes:
        rope_width: channels that it rotates by position.
        stride: positions merged into a chunk (1 where it has no chunks).
        chunk_width: width of chunk embeddings (0 where there are none).
    """

    rope_width: int
    stride: int = 1
    chunk_width: int = 0


class Layout:
    """A batch of packed sequences, for teacher forcing and prompt caches.

    Args:
        lengths: prompt frames ``T_b`` of each utterance, ``(B,)``, at most ``T``.
        n_frames: ``T``, the padded prompt size.
        n_tokens: ``L``, the padded text size (0 when only a prompt is cached).
        geometry: the variant's.
    """

    def __init__(
        self, lengths: torch.Tensor, n_frames: int, n_tokens: int, geometry: Geometry
    ):
        self.lengths = lengths.to(torch.int64)
        self.n_frames = n_frames
        self.n_tokens = n_tokens
        self.rope_width = geometry.rope_width
        self.stride = geometry.stride
        self.chunk_width = geometry.chunk_width
        self.device = lengths.device

    @cached_property
    def frames(self) -> torch.Tensor:
        """Positions of prompt frames, ``(T,)``."""
        return torch.arange(self.n_frames, device=self.device)

    @cached_property
    def tokens(self) -> torch.Tensor:
        """Positions of text tokens, ``(B, L)``."""
        return self.lengths[:, None] + torch.arange(self.n_tokens, device=self.device)

    @cached_property
    def positions(self) -> torch.Tensor:
        """Both behind each other, ``(B, T + L)``."""
        frames = self.frames.expand(len(self.lengths), -1)
        return torch.cat((frames, self.tokens), dim=1)

    @cached_property
    def padding(self) -> torch.Tensor:
        """Which of them are frames beyond an utterance's own, ``(B, T + L)``."""
        none = torch.zeros_like(self.tokens, dtype=torch.bool)
        return torch.cat((self.frames >= self.lengths[:, None], none), dim=1)

    @cached_property
    def phase(self) -> torch.Tensor:
        """Rotary phase of all positions, ``(B, T + L, rope_width / 2)``."""
        return rope_phase(self.positions, self.rope_width)

    @cached_property
    def prompt_phase(self) -> torch.Tensor:
        """Rotary phase of prompt frames, ``(T, rope_width / 2)``."""
        return rope_phase(self.frames, self.rope_width)

    @cached_property
    def text_phase(self) -> torch.Tensor:
        """Rotary phase of text tokens, ``(B, L, rope_width / 2)``."""
        return rope_phase(self.tokens, self.rope_width)

    @cached_property
    def mask(self) -> torch.Tensor:
        """What each token may see of ``[prompt ; text]``, ``(B, 1, L, T + L)``."""
        frame = ~self.padding[:, None, : self.n_frames]  # (B, 1, T)
        order = torch.arange(self.n_tokens, device=self.device)
        token = (order[None, :] <= order[:, None])[None]  # (1, L, L)
        n_utt, size = len(self.lengths), self.n_tokens
        return torch.cat(
            (frame.expand(n_utt, size, -1), token.expand(n_utt, -1, -1)), dim=-1
        ).unsqueeze(1)

    @cached_property
    def prompt_embedding(self) -> torch.Tensor:
        """Chunk embedding of each prompt frame, ``(T, chunk_width)``."""
        return chunk_embedding(self.frames // self.stride, self.chunk_width)

    @cached_property
    def embedding(self) -> torch.Tensor:
        """Chunk embedding of all positions, ``(B, T + L, chunk_width)``."""
        return chunk_embedding(self.positions // self.stride, self.chunk_width)

    # Chunks: those that the prompt completes by itself stay with the prompt; the
    # sum of the frames left over (the open chunk) leads the text.

    @cached_property
    def prompt_chunks(self) -> torch.Tensor:
        """Complete chunks of each prompt, ``(B,)``, and the index of its open one."""
        return self.lengths // self.stride

    @property
    def cached(self) -> torch.Tensor:
        """Positions of each prompt that its utterance's hypotheses share, ``(B,)``."""
        return self.prompt_chunks

    @property
    def n_prompt_chunks(self) -> int:
        """Chunks that ``T`` frames can complete, and an open one."""
        return self.n_frames // self.stride + 1

    @cached_property
    def columns(self) -> torch.Tensor:
        """Where the key of each column stands, ``(C + L,)``.

        Columns are the prompt's chunks, whose key is that of their last frame, and a
        partial sum a token. Those beyond an utterance's complete chunks, which nothing
        sees, have any key.
        """
        last = torch.arange(1, self.n_prompt_chunks + 1, device=self.device)
        last = (last * self.stride - 1).clamp(max=self.n_frames + self.n_tokens - 1)
        n = torch.arange(self.n_tokens, device=self.device)
        return torch.cat((last, self.n_frames + n))

    @cached_property
    def partial_sums(self) -> torch.Tensor:
        """What each token's partial sum consists of, ``(B, L, 1 + L)``.

        The prompt's open chunk, and those tokens up to it that share its chunk.
        """
        chunk = self.tokens // self.stride
        n = torch.arange(self.n_tokens, device=self.device)
        own = (chunk[:, :, None] == chunk[:, None]) & (n <= n[:, None])
        opened = chunk == self.prompt_chunks[:, None]
        return torch.cat((opened[..., None], own), dim=-1)

    @cached_property
    def chunk_mask(self) -> torch.Tensor:
        """What each token may see: the stride-aware causal mask of the paper.

        ``(B, 1, L, C + L)``: complete chunks of the prompt, the token's own partial
        sum, and earlier ones that complete a chunk.
        """
        j = torch.arange(self.n_prompt_chunks, device=self.device)
        prompt = (j < self.prompt_chunks[:, None])[:, None]  # (B, 1, C)
        n = torch.arange(self.n_tokens, device=self.device)
        complete = ((self.tokens + 1) % self.stride == 0)[:, None]  # (B, 1, L)
        own = (n == n[:, None]) | ((n < n[:, None]) & complete)  # (B, L, L)
        return torch.cat((prompt.expand(-1, self.n_tokens, -1), own), dim=-1).unsqueeze(
            1
        )


def chunk_embedding(chunk: torch.Tensor, width: int) -> torch.Tensor:
    """Sinusoidal embedding ``pe_j`` of chunk indices, ``(...) -> (..., width)``.

    Sine and cosine on alternating channels, counted from 0, float32.
    """
    i = torch.arange(0, width, 2, device=chunk.device, dtype=torch.float32)
    angle = chunk.to(torch.float32).unsqueeze(-1) * 10000.0 ** (-i / width)
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)
