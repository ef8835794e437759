"""What a task decodes, speech or text, and how its length is counted."""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import humanfriendly
import soundfile

from espnet_mtla.errors import InputError
from espnet_mtla.task import TASKS

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
            InputError: a file that is none, or of another sampling rate.
        """
        if not isinstance(given, str | Path):
            return given
        if self.name != "speech":
            raise InputError(f"{given!r}: give {self.name} as ids of its units")
        try:
            samples, rate = soundfile.read(given, dtype="float32")
        except (OSError, soundfile.LibsndfileError) as e:
            raise InputError(f"{given}: no audio file that can be read: {e}") from None
        self.check_rate(rate, str(given))
        return samples

    def check_rate(self, rate: int | None, name: str) -> None:
        """Refuse speech of another sampling rate than the model was trained on.

        Raises:
            InputError: naming both.
        """
        if rate is not None and rate != self.unit:
            raise InputError(
                f"{name}: {rate} Hz, but the model hears {self.unit:.0f} Hz: resample it"
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
