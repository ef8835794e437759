"""Kaldi-style data directories."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table, write_table


def write_speakers(directory: Path | str, utt2spk: Mapping[str, str]) -> None:
    """Write ``utt2spk`` and ``spk2utt``."""
    directory = Path(directory)
    spk2utt: dict[str, list[str]] = {}
    for utterance in sorted(utt2spk):
        spk2utt.setdefault(utt2spk[utterance], []).append(utterance)
    write_table(directory / "utt2spk", utt2spk)
    write_table(
        directory / "spk2utt", {spk: " ".join(utts) for spk, utts in spk2utt.items()}
    )


def text_files(directory: Path | str) -> list[Path]:
    """The ``text`` and ``text.*`` files of a data directory, sorted."""
    return sorted(
        path
        for path in Path(directory).glob("text*")
        if path.name == "text" or path.name.startswith("text.")
    )


def copy_rows(source: Path, target: Path, keep: Iterable[str]) -> None:
    """Copy the lines of a table whose keys are in ``keep``.

    Raises:
        InputError: a key of ``keep`` is not in ``source``.
    """
    table = read_table(source)
    keep = list(keep)
    for key in keep:
        if key not in table:
            raise InputError(f"{source} has no line for {key}: prepare the data again")
    write_table(target, {key: table[key] for key in keep})


def read_samples(path: Path | str) -> dict[str, int]:
    """Read ``utt2num_samples``: utterance -> samples.

    Raises:
        InputError: it is missing, or holds something else than numbers.
    """
    samples = {}
    for utterance, value in read_table(path).items():
        if not value.isdigit():
            raise InputError(
                f"{path}: {utterance} has {value!r} samples: format the data again"
            )
        samples[utterance] = int(value)
    return samples
