"""What a task decodes, speech or text, and how its length is counted."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import humanfriendly
import numpy as np
import soundfile
import torch

from espnet_mtla.errors import InputError
from espnet_mtla.task import TASKS

Given = Mapping[str, Any]
"""What ESPnet's call takes for one utterance, by name."""
MOST_CHANNELS = 8
"""Where there are no more rows than that they are taken for channels."""
FRAME_SECONDS = 0.01
"""``--batch_frames`` counts fbank frames of 10 ms, as the paper does."""


class Input(NamedTuple):
    """What a task decodes.

    Attributes:
        name: ESPnet's name of that data.
        padding: what its models expect behind the end of a shorter one.
        frame: samples that ``--batch_frames`` counts as one.
        measure: key of the total length in ``efficiency.json``.
        unit: samples that count as one there.
    """

    name: str
    padding: float
    frame: float
    measure: str
    unit: float

    def read(self, given: Any) -> Any:
        """Return an input as ESPnet's call takes it, read where it is an audio file.

        Raises:
            InputError: it is none, or a file of another sampling rate.
        """
        heard = self.name == "speech"
        if isinstance(given, str | Path):
            if not heard:
                raise InputError(f"give {self.name} as ids of its units, not as text")
            return self._file(given)
        if not isinstance(given, np.ndarray | torch.Tensor):
            kinds = "an array, a tensor, a file" if heard else "an array or a tensor"
            raise InputError(
                f"{type(given).__name__} is no {self.name}: give {kinds}, or a list of them"
            )
        if (
            heard
            and given.ndim == 2
            and given.shape[0] <= MOST_CHANNELS < given.shape[1]
        ):
            raise InputError(
                f"its shape is {tuple(given.shape)}: give samples first, (samples, "
                "channels), or one channel, (samples,)"
            )
        return given

    def _file(self, path: str | Path) -> Any:
        try:
            samples, rate = soundfile.read(path, dtype="float32")
        except (OSError, soundfile.LibsndfileError) as e:
            raise InputError(f"no audio file that can be read: {e}") from None
        self.check_rate(rate)
        return samples

    def check_rate(self, rate: int | None) -> None:
        """Refuse speech of another sampling rate than the model was trained on.

        Raises:
            InputError: naming both.
        """
        if rate is not None and rate != self.unit:
            raise InputError(
                f"{rate} Hz, but the model hears {self.unit:.0f} Hz: resample it"
            )


def input_of(task: str, train_args: argparse.Namespace) -> Input:
    """Return what a task decodes; a sample of text is one of its units.

    Args:
        task: of :data:`espnet_mtla.task.TASKS`.
        train_args: ESPnet's training options of the model.
    """
    name = TASKS[task].decodes
    if name != "speech":
        return Input(name, -1, 1, "source_units", 1)
    rate = (train_args.frontend_conf or {}).get("fs", 16000)
    rate = humanfriendly.parse_size(str(rate))  # ESPnet takes 16k too
    return Input(name, 0.0, rate * FRAME_SECONDS, "audio_seconds", rate)
