"""ESPnet's CTC window: which frames may emit the next label.

Its ``asr_inference`` restricts CTC prefix scores to ``--ctc_window_margin``
frames around the frames that the hypotheses have reached. The closed form is no
faster for it; it is here because it changes scores. Nothing waits for the GPU.
"""

import torch

LABELS_AHEAD = 5
"""Frames with a label that a window holds beyond what is reached, as in ESPnet."""


class CTCWindow:
    """Windows of ``B`` utterances, each of its own hypotheses alone.

    ESPnet gives a batch one window, the union of its utterances', so that scores
    depend on the batch; for one utterance the two are the same.

    Args:
        spoken: frames whose most likely label is not blank, ``(B, T)``.
        lengths: frames of each utterance, ``(B,)``.
        margin: frames on both sides of what the hypotheses have reached.
    """

    def __init__(self, spoken: torch.Tensor, lengths: torch.Tensor, margin: int):
        self.margin = margin
        count = spoken.cumsum(1)
        enough = torch.searchsorted(count, count + LABELS_AHEAD)
        self.newest = lengths[:, None] - 1  # (B, 1)
        self.enough = enough.minimum(self.newest) + 1  # (B, T)

    def start(self, n_hyp: int) -> torch.Tensor:
        """Return the bounds (see :meth:`move`) before the first label."""
        return self.enough.new_tensor([0, 1, 0]).expand(n_hyp, 3)

    def move(
        self, total: torch.Tensor, live: torch.Tensor, bounds: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Move the windows on to where the hypotheses are.

        Args:
            total: log probability of each hypothesis at the boundaries between
                frames, ``(N, T + 1)``.
            live: hypotheses that have not ended, ``(N,)``.
            bounds: of the last step, ``(N, 3)``.

        Returns:
            Boundaries before frames outside the window, ``(N, T + 1)``, and the
            bounds, ``(N, 3)``: first and last frame reached, the window's end.
        """
        n_utt, n_frames = self.enough.shape
        first_before, last_before, _ = bounds.view(n_utt, -1, 3)[:, 0].unbind(1)
        live = live.view(n_utt, -1)
        # padding is silent, so that what has ended stays as likely, but for rounding
        reached = total[:, 1:].argmax(1).view(n_utt, -1).minimum(self.newest)
        first = reached.masked_fill(~live, n_frames).amin(1).maximum(first_before)
        last = reached.masked_fill(~live, 0).amax(1).maximum(last_before)
        enough = self.enough.gather(1, last.clamp(max=n_frames - 1)[:, None])[:, 0]
        start = last_before.minimum(first - self.margin)
        end = enough.maximum(last + self.margin + 1)
        n_hyp = reached.shape[1]
        frames = torch.arange(n_frames + 1, device=total.device)
        outside = (frames < start[:, None]) | (frames >= end[:, None])
        bounds = torch.stack((first, last, end), 1)
        return outside.repeat_interleave(n_hyp, 0), bounds.repeat_interleave(n_hyp, 0)

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these utterances."""
        self.newest, self.enough = self.newest[rows], self.enough[rows]
