"""Speed perturbation: tables first, samples when the audio is cut."""

import numpy as np
import pytest
import soundfile

from espnet_mtla.corpora.datadir import read_samples
from espnet_mtla.corpora.dump import format_wav_scp
from espnet_mtla.corpora.perturb import perturb_speed
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table


@pytest.fixture
def data(tmp_path):
    """Two utterances of a 400 Hz tone at 8 kHz; ``segments`` on demand."""

    def make(segments):
        folder = tmp_path / "data"
        folder.mkdir()
        tone = np.sin(2 * np.pi * 400 * np.arange(16000) / 8000) / 2
        soundfile.write(tmp_path / "r.wav", tone, 8000)
        rows = {"wav.scp": [f"u1 {tmp_path}/r.wav", f"u2 {tmp_path}/r.wav"]}
        if segments:
            rows = {"wav.scp": [f"r {tmp_path}/r.wav"]}
            rows["segments"] = ["u1 r 0.0 1.0", "u2 r 0.5 2.0"]
        rows["utt2spk"] = ["u1 s", "u2 s"]
        rows["text"] = ["u1 one", "u2 two"]
        for name, lines in rows.items():
            (folder / name).write_text("".join(line + "\n" for line in lines))
        return folder

    return make


@pytest.mark.parametrize("segments", [False, True])
def test_from_tables_to_samples(data, tmp_path, segments):
    folder, out, dump = data(segments), tmp_path / "data_sp", tmp_path / "dump"
    assert perturb_speed(folder, out, ["0.9", "1.0", "1.1"]) == (
        f"{out}: 2 utterances at 3 speeds"
    )
    assert read_table(out / "text") == {
        "sp0.9-u1": "one",
        "sp0.9-u2": "two",
        "sp1.1-u1": "one",
        "sp1.1-u2": "two",
        "u1": "one",
        "u2": "two",
    }
    assert read_table(out / "spk2utt") == {
        "s": "u1 u2",
        "sp0.9-s": "sp0.9-u1 sp0.9-u2",
        "sp1.1-s": "sp1.1-u1 sp1.1-u2",
    }
    assert set(read_table(out / "utt2speed")) == {
        f"sp{s}-{u}" for s in ("0.9", "1.1") for u in ("u1", "u2")
    }
    format_wav_scp(out, dump, fs=16000)
    samples = read_samples(dump / "utt2num_samples")
    whole = {"u1": 16000, "u2": 24000} if segments else {"u1": 32000, "u2": 32000}
    for utterance, path in read_table(dump / "wav.scp").items():
        prefix, _, name = utterance.rpartition("-")
        speed = float(prefix.removeprefix("sp") or 1)
        assert abs(samples[utterance] - whole[name] / speed) <= 1
        heard, fs = soundfile.read(path)
        assert fs == 16000 and len(heard) == samples[utterance]
        spectrum = np.abs(np.fft.rfft(heard))
        peak = spectrum.argmax() * fs / len(heard)
        assert peak == pytest.approx(400 * speed, abs=1)  # the pitch goes with it
        assert np.sqrt(np.mean(heard**2)) == pytest.approx(0.5 / 2**0.5, rel=0.02)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (["fast"], "speed 'fast': give a number"),
        (["0.01"], "speed '0.01': give a number"),
        (["1/0"], "speed '1/0': give a number"),
        (["1.0", "1"], "--factors 1.0 1: one stands twice"),
    ],
)
def test_bad_factors(data, tmp_path, factors, message):
    with pytest.raises(InputError, match=message):
        perturb_speed(data(True), tmp_path / "out", factors)
    assert not (tmp_path / "out").exists()


def test_its_own_folder_is_refused(data):
    folder = data(False)
    with pytest.raises(InputError, match="is --data itself"):
        perturb_speed(folder, folder, ["0.9"])


def test_a_spoilt_table_is_named(data, tmp_path):
    folder = data(False)
    (folder / "utt2speed").write_text("u1 quick\n")
    with pytest.raises(InputError, match="speed 'quick'"):
        format_wav_scp(folder, tmp_path / "dump")
