"""ESPnet's batched beam search, without a copy of the encoder output a hypothesis."""

import torch

from espnet_mtla import compat


class PromptBeamSearch(compat.batch_beam_search()):
    """``BatchBeamSearch`` for scorers that keep the encoder output in their states.

    ESPnet repeats the ``(B, T, D)`` output for each of ``K`` hypotheses, for
    scorers that read it at every step; at the paper's setting that is larger
    than all caches together. Our decoders, CTC prefix scores and language
    models never read it, so they get frames of length zero.
    """

    def _expand_over_beam(
        self, x: torch.Tensor, x_lengths: torch.Tensor
    ) -> tuple[torch.Tensor, None]:
        """``(B, T, D)`` to an empty ``(N, 0, D)``, and no padding mask."""
        return x.new_empty(len(x) * self.beam_size, 0, x.shape[-1]), None
