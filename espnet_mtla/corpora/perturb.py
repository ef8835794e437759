"""Speed perturbation: a training set's utterances again, faster and slower.

Only tables are written here; the audio is resampled when it is cut
(:mod:`espnet_mtla.corpora.dump`), at the speed that ``utt2speed`` says.
"""

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from espnet_mtla.corpora.datadir import text_files, write_speakers
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table, two_folders, write_table

TABLE = "utt2speed"


def perturb_speed(data: Path | str, out: Path | str, factors: Sequence[str]) -> str:
    """Copy a data directory once for each factor, as ESPnet's stage 2 does.

    Utterances and speakers of factor 0.9 are called ``sp0.9-<name>``; a factor
    of 1 keeps the names.

    Args:
        data: directory with ``wav.scp``, ``segments`` (if any), ``text*``,
            ``utt2spk``.
        out: gets the same tables, and ``utt2speed``.
        factors: speeds, such as ``["0.9", "1.0", "1.1"]``.

    Returns:
        Counts, for a person to read.

    Raises:
        InputError: a factor is no number of 0.1 to 10 or stands twice, or a
            table is missing.
    """
    data, out = two_folders(data, out)
    speakers = read_table(data / "utt2spk")
    speeds = {"" if _speed(f) == 1 else f"sp{f}-": _speed(f) for f in factors}
    if len(set(speeds.values())) < len(factors):
        raise InputError(f"--factors {' '.join(factors)}: one stands twice")
    tables = [path.name for path in text_files(data)]
    tables.append("segments" if (data / "segments").exists() else "wav.scp")
    for name in tables:
        rows = read_table(data / name)
        copies = {p + key: value for p in speeds for key, value in rows.items()}
        write_table(out / name, copies)
    if "segments" in tables:
        write_table(out / "wav.scp", read_table(data / "wav.scp"))
    write_speakers(out, {p + u: p + s for p in speeds for u, s in speakers.items()})
    rows = {p + u: f"{float(s):g}" for p, s in speeds.items() if p for u in speakers}
    write_table(out / TABLE, rows)
    return f"{out}: {len(speakers)} utterances at {len(speeds)} speeds"


def read_speeds(data: Path) -> dict[str, Fraction]:
    """Return the speed of each utterance of a data directory; 1 if none is said.

    Raises:
        InputError: ``utt2speed`` holds something else than speeds.
    """
    speeds: dict[str, Fraction] = defaultdict(lambda: Fraction(1))
    if (data / TABLE).exists():
        for utterance, value in read_table(data / TABLE).items():
            speeds[utterance] = _speed(value)
    return speeds


def _speed(factor: str) -> Fraction:
    try:
        speed = Fraction(factor)
    except (ValueError, ZeroDivisionError):
        speed = Fraction(0)
    if not Fraction(1, 10) <= speed <= 10:
        raise InputError(f"speed {factor!r}: give a number of 0.1 to 10")
    return speed.limit_denominator(1000)
