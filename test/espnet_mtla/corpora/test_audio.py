"""Reading, converting and writing audio."""

import numpy as np
import pytest
import soundfile

from espnet_mtla.corpora.audio import (
    audio_info,
    open_audio,
    read_span,
    to_mono,
    write_audio,
)
from espnet_mtla.errors import InputError


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_16_bit_samples_survive(tmp_path, suffix):
    samples = np.random.randint(-(2**15), 2**15, 3001).astype(np.int16)
    path = tmp_path / f"x.{suffix}"
    write_audio(path, samples, 16000)
    assert audio_info(path) == (16000, 3001, 1)
    with open_audio(path) as file:
        assert file.subtype == "PCM_16"
        np.testing.assert_array_equal(read_span(file, 7, 2000)[:, 0], samples[7:2007])


def test_floats_are_clipped_and_rounded(tmp_path):
    path = tmp_path / "x.wav"
    write_audio(path, np.array([2.0, -2.0, 0.5, 1e-9]), 16000)
    assert soundfile.read(path, dtype="int16")[0].tolist() == [32767, -32768, 16384, 0]


def test_to_mono_leaves_mono_at_the_right_rate_alone():
    samples = np.arange(5, dtype=np.int16)[:, None]
    assert to_mono(samples, 16000, 16000).dtype == np.int16


def test_to_mono_averages_and_resamples():
    t = np.arange(44100) / 44100
    tone = np.sin(2 * np.pi * 440 * t)
    stereo = np.stack([tone, 3 * tone], axis=1) / 4
    mono = to_mono(stereo, 44100, 16000)
    assert len(mono) == 16000
    wanted = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) / 2
    np.testing.assert_allclose(mono[500:-500], wanted[500:-500], atol=2e-3)


def test_unusable_files_are_named(tmp_path):
    with pytest.raises(InputError, match="gone.wav is missing"):
        open_audio(tmp_path / "gone.wav")
    (tmp_path / "noise.wav").write_bytes(b"this is no audio at all" * 9)
    with pytest.raises(InputError, match="noise.wav cannot be read as audio"):
        open_audio(tmp_path / "noise.wav")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    with pytest.raises(InputError, match="empty.wav holds no audio"):
        open_audio(tmp_path / "empty.wav")


def test_a_file_shorter_than_its_span_is_named(tmp_path):
    path = tmp_path / "cut.wav"
    soundfile.write(path, np.zeros(1600), 16000)
    with (
        open_audio(path) as file,
        pytest.raises(InputError, match="cut.wav ends at 0.10"),
    ):
        read_span(file, 800, 1600)
