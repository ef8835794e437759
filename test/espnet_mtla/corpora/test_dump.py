"""Formatting and filtering of data directories."""

import numpy as np
import pytest
import soundfile

from espnet_mtla.corpora.dump import format_wav_scp
from espnet_mtla.corpora.filter import filter_data
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table

# utterance -> recording, start, end (s); they overlap, and r1's are not in order
SEGMENTS = {
    "s1_a": ("r1", 1.25, 2.0),
    "s1_b": ("r1", 0.000063, 0.5),
    "s1_c": ("r1", 1.9, 3.05),  # 50 ms beyond the end
    "s2_a": ("r2", 0.1, 0.9),
}
SECONDS = {"r1": 3.0, "r2": 1.0}


@pytest.fixture
def data(tmp_path):
    """A data directory with two noise recordings of 16-bit samples at 16 kHz."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, seconds in SECONDS.items():
        noise = np.random.randint(-(2**15), 2**15, int(16000 * seconds)).astype(
            np.int16
        )
        soundfile.write(tmp_path / f"{name}.wav", noise, 16000)
    _table(folder / "wav.scp", {name: tmp_path / f"{name}.wav" for name in SECONDS})
    rows = {u: f"{r} {start} {end}" for u, (r, start, end) in SEGMENTS.items()}
    _table(folder / "segments", rows)
    for name in ("text.tc.de", "text.lc.rm.en"):
        _table(folder / name, {u: f"{name} of {u}" for u in SEGMENTS})
    _table(folder / "utt2spk", {u: u[:2] for u in SEGMENTS})
    _table(folder / "spk2utt", {"s1": "s1_a s1_b s1_c", "s2": "s2_a"})
    return folder


def _table(path, rows):
    path.write_text("".join(f"{key} {value}\n" for key, value in rows.items()))


@pytest.mark.parametrize("audio_format", ["flac", "wav"])
@pytest.mark.parametrize("nj", [1, 2])
def test_cuts_are_sample_exact(data, tmp_path, audio_format, nj):
    out = tmp_path / "dump"
    report = format_wav_scp(data, out, audio_format=audio_format, nj=nj)
    assert report == f"{out}: 4 utterances, 0.00 h"
    wavs = read_table(out / "wav.scp")
    assert list(wavs) == sorted(SEGMENTS)
    for utterance, (recording, start, end) in SEGMENTS.items():
        whole, _ = soundfile.read(tmp_path / f"{recording}.wav", dtype="int16")
        wanted = whole[round(start * 16000) : round(end * 16000)]
        assert wavs[utterance] == f"{out}/data/{utterance}.{audio_format}"
        samples, fs = soundfile.read(wavs[utterance], dtype="int16")
        assert fs == 16000
        np.testing.assert_array_equal(samples, wanted)
        assert read_table(out / "utt2num_samples")[utterance] == str(len(wanted))
    for name in ("text.tc.de", "text.lc.rm.en", "utt2spk", "spk2utt"):
        assert (out / name).read_text() == (data / name).read_text()
    assert (out / "audio_format").read_text() == f"{audio_format}\n"


def test_whole_files_without_segments(data, tmp_path):
    (data / "segments").unlink()
    for name in ("text.tc.de", "text.lc.rm.en", "utt2spk"):
        _table(data / name, dict.fromkeys(SECONDS, "x"))
    format_wav_scp(data, tmp_path / "dump")
    samples, _ = soundfile.read(tmp_path / "dump/data/r2.flac", dtype="int16")
    np.testing.assert_array_equal(
        samples, soundfile.read(tmp_path / "r2.wav", dtype="int16")[0]
    )


def test_other_rates_and_channels_are_converted_and_said_once(data, tmp_path):
    t = np.arange(44100 * 3) / 44100
    tone = 0.5 * np.sin(2 * np.pi * 440 * t)
    soundfile.write(tmp_path / "r1.wav", np.stack([tone, 0 * tone], 1), 44100, "FLOAT")
    report = format_wav_scp(data, tmp_path / "dump")
    assert report.count("\n") == 2
    assert "1 recordings resampled from 44100 to 16000 Hz" in report
    assert "1 recordings averaged from 2 channels to one" in report
    samples, fs = soundfile.read(tmp_path / "dump/data/s1_a.flac")
    assert fs == 16000 and len(samples) == 12000
    t = 1.25 + np.arange(12000) / 16000
    wanted = 0.25 * np.sin(2 * np.pi * 440 * t)
    np.testing.assert_allclose(samples[200:-200], wanted[200:-200], atol=1e-3)


def test_a_rerun_is_the_same_and_clears_what_a_killed_one_left(data, tmp_path):
    out = tmp_path / "dump"
    format_wav_scp(data, out)
    before = {path.name: path.read_bytes() for path in (out / "data").iterdir()}
    (out / "data" / "old.flac").write_bytes(b"from other data")
    (out / "data" / ".s1_a.flac.77.tmp").write_bytes(b"half")
    (out / "data" / "notes.txt").write_bytes(b"a person's own")
    (out / "wav.scp").unlink()
    format_wav_scp(data, out)
    after = {path.name: path.read_bytes() for path in (out / "data").iterdir()}
    assert after.pop("notes.txt") and after == before


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("segments", "s1_a r1 0.5\n", "segments: s1_a needs a recording, a start"),
        ("segments", "s1_a r1 x 1.0\n", "segments: s1_a needs a recording"),
        ("segments", "s1_a r9 0 1.0\n", "segments: s1_a lies in r9, not in wav.scp"),
        ("segments", "s1_a r1 2.0 1.0\n", "segments: s1_a ends before it starts"),
        ("segments", "s1_a r1 nan 1.0\n", "segments: s1_a ends before it starts"),
        ("segments", "s1_a r1 1.0 3.2\n", "s1_a ends at 3.20 s but .*r1.wav at 3.00 s"),
        ("segments", "s1_a r1 3.01 3.05\n", "s1_a ends at 3.05 s but .*r1.wav"),
        ("segments", "s1_a r1 1.0 1.00001\n", "s1_a holds no sample"),
        ("segments", "s/a r1 1.0 2.0\n", "segments: s/a cannot name a file"),
        ("segments", "", "data has no utterance"),
        ("wav.scp", "r1 sox x.sph |\n", "wav.scp: r1 is not a path to an audio file"),
        ("text.tc.de", "s1_a x\n", "text.tc.de has no line for s1_b"),
        ("utt2spk", "s1_a s1\n", "utt2spk has no line for s1_b"),
        ("../r1.wav", "", "r1.wav cannot be read as audio"),
        ("../r1.wav", None, "r1.wav is missing"),
    ],
)
@pytest.mark.parametrize("nj", [1, 2])
def test_damage_is_named_and_no_wav_scp_written(
    data, tmp_path, name, content, message, nj
):
    (data / name).unlink()
    if content is not None:
        (data / name).write_text(content)
    if content and content.startswith("s/a"):
        for table in ("text.tc.de", "text.lc.rm.en", "utt2spk"):
            _table(data / table, {"s/a": "x"})
    with pytest.raises(InputError, match=message) as e:
        format_wav_scp(data, tmp_path / "dump", nj=nj)
    assert "\n" not in str(e.value)
    assert not (tmp_path / "dump" / "wav.scp").exists()


@pytest.fixture
def dump(data, tmp_path):
    format_wav_scp(data, tmp_path / "org")
    return tmp_path / "org"


def test_filter_drops_and_counts(dump, tmp_path):
    (dump / "text.tc.de").write_text("s1_a gut\ns1_b x\ns1_c y\ns2_a\n")
    report = filter_data(dump, tmp_path / "out", 0.6, 1.0)
    assert report == (
        f"{tmp_path}/out: 1 of 4 utterances; dropped 3: 1 longer than 1 s, "
        "1 shorter than 0.6 s, 1 without text in text.tc.de"
    )
    for name in ("wav.scp", "utt2num_samples", "text.tc.de", "text.lc.rm.en"):
        assert list(read_table(tmp_path / "out" / name)) == ["s1_a"]
    assert read_table(tmp_path / "out/spk2utt") == {"s1": "s1_a"}
    assert (tmp_path / "out/audio_format").read_text() == "flac\n"


def test_filter_keeps_the_limits_themselves(dump, tmp_path):
    report = filter_data(dump, tmp_path / "out", 0.75, 1.1)  # s1_a, s1_c exactly
    assert "3 of 4" in report
    assert "s1_b" not in read_table(tmp_path / "out/wav.scp")


def test_filter_errors(dump, tmp_path):
    with pytest.raises(
        InputError, match=r"no utterance is left; dropped 4: 4 shorter than 9 s"
    ):
        filter_data(dump, tmp_path / "out", 9, 30)
    for command in (lambda a, b: filter_data(a, b, 0, 9), format_wav_scp):
        with pytest.raises(InputError, match="--data itself"):
            command(dump, dump / ".." / "org")
    (dump / "utt2num_samples").write_text("s1_a 12000\n")
    with pytest.raises(InputError, match="utt2num_samples has no line for s1_b"):
        filter_data(dump, tmp_path / "out", 0, 9)
    assert not (tmp_path / "out").exists()
