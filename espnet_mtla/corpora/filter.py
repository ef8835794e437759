"""Leaving out what cannot be trained on."""

from collections import Counter
from pathlib import Path

from espnet_mtla.corpora.audio import audio_info
from espnet_mtla.corpora.datadir import read_samples, text_files
from espnet_mtla.corpora.dump import copy_texts, write_audio_tables
from espnet_mtla.corpora.report import dropped
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table, two_folders


def filter_data(
    data: Path | str, out: Path | str, min_seconds: float, max_seconds: float
) -> str:
    """Copy a formatted directory without utterances that cannot be trained on.

    Dropped are those shorter than ``min_seconds``, longer than ``max_seconds``,
    and those without text in any ``text*`` file. Audio files are not copied.

    Returns:
        How many were kept, how many dropped and why.

    Raises:
        InputError: a table is missing or nothing is left.
    """
    data, out = two_folders(data, out)
    wavs = read_table(data / "wav.scp")
    samples = read_samples(data / "utt2num_samples")
    if not wavs:
        raise InputError(f"{data} has no utterance: prepare the data again")
    fs = audio_info(next(iter(wavs.values()))).fs
    texts = {path.name: read_table(path) for path in text_files(data)}
    reasons: Counter = Counter()
    keep = []
    for utterance in sorted(wavs):
        if utterance not in samples:
            raise InputError(
                f"{data}/utt2num_samples has no line for {utterance}: format it again"
            )
        seconds = samples[utterance] / fs
        empty = [name for name, text in texts.items() if not text.get(utterance)]
        if seconds < min_seconds:
            reasons[f"shorter than {min_seconds:g} s"] += 1
        elif seconds > max_seconds:
            reasons[f"longer than {max_seconds:g} s"] += 1
        elif empty:
            reasons[f"without text in {empty[0]}"] += 1
        else:
            keep.append(utterance)
    if not keep:
        raise InputError(
            f"{data}: no utterance is left{dropped(reasons)}: widen the limits"
        )
    copy_texts(data, out, keep)
    audio_format = Path(wavs[keep[0]]).suffix[1:]
    kept = {u: wavs[u] for u in keep}
    write_audio_tables(out, kept, {u: samples[u] for u in keep}, audio_format)
    return f"{out}: {len(keep)} of {len(wavs)} utterances{dropped(reasons)}"
