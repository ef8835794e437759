"""A front end whose features do not depend on what else is in the batch."""

import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_mtla.compat import AbsFrontend


class AloneFrontend(AbsFrontend):
    """Extracts the features of each utterance by itself, then pads them.

    ESPnet's STFT reflects the signal at its end, which in a padded batch is the
    end of the padding: an utterance's last frames then change with its batch,
    and with them, now and then, a hypothesis.

    Args:
        frontend: a trained model's front end, on samples.
    """

    def __init__(self, frontend: AbsFrontend):
        super().__init__()
        self.frontend = frontend

    def output_size(self) -> int:
        """Features a frame."""
        return self.frontend.output_size()

    def forward(
        self, input: torch.Tensor, input_lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``(B, samples)`` and lengths to ``(B, frames, features)`` and lengths."""
        alone = [
            self.frontend(x[None, :n], n[None]) for x, n in zip(input, input_lengths)
        ]
        lengths = torch.cat([n for _, n in alone])
        feats = pad_sequence([f[0] for f, _ in alone], batch_first=True)
        return feats[:, : int(lengths.max())], lengths
