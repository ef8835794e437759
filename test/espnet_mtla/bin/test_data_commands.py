"""The data commands as a person runs them, one after another."""

import os
import subprocess
import sys

import pytest

COMMANDS = [
    "make_mini",
    "prepare_ami",
    "prepare_librispeech",
    "prepare_must_c",
    "perturb_speed",
    "prepare_slurp",
    "prepare_xsum",
    "cut_text",
    "score_slu",
    "score_sum",
    "format_wav_scp",
    "filter_data",
    "tokens",
    "lm_stats",
]


def _run(name, *options, cwd, **more):
    return subprocess.run(
        [sys.executable, "-m", f"espnet_mtla.bin.{name}", *map(str, options)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


def test_from_nothing_to_units(tmp_path):
    def ok(name, *options):
        done = _run(name, *options, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    sizes = ("--num_train", 30, "--num_dev", 2, "--num_test", 4)
    assert "train: 30 utterances" in ok(
        "make_mini", "--corpus", "must_c", "--out", "mini", *sizes
    )
    assert "tst-HE: segments: 1, 1 utterances" in ok(
        "prepare_must_c", "--corpus", "mini"
    )
    org, raw = "dump/raw/org/train.en-de", "dump/raw/train.en-de"
    assert "30 utterances" in ok(
        "format_wav_scp", "--data", "data/train.en-de", "--out", org, "--nj", 2
    )
    limits = ("--min_wav_duration", 0.1, "--max_wav_duration", 30)
    assert "30 of 30" in ok("filter_data", "--data", org, "--out", raw, *limits)
    for name, text in (("tgt", "text.tc.de"), ("src", "text.lc.rm.en")):
        ok("tokens", "--text", f"{raw}/{text}", "--nbpe", 60, "--out", name)
        assert len((tmp_path / name / "tokens.txt").read_text().splitlines()) == 60
    units = ("--bpemodel", "tgt/bpe.model", "--token_list", "tgt/tokens.txt")
    text = (f"{raw}/text.tc.de", "--lines", f"{raw}/text.lc.rm.en")
    assert "lm: 60 sentences" in ok("lm_stats", "--text", *text, *units, "--out", "lm")
    samples = (tmp_path / raw / "utt2num_samples").read_text().splitlines()
    assert len(samples) == 30 and samples == sorted(samples)
    left = [name for _, _, files in os.walk(tmp_path) for name in files]
    assert not [name for name in left if name.endswith(".tmp")]


@pytest.mark.parametrize(
    "options, message",
    [
        ("prepare_must_c --corpus gone", "error: gone is missing: give"),
        ("prepare_librispeech --corpus gone", "error: gone is missing: give"),
        ("prepare_ami --corpus gone", "error: gone is missing: give"),
        ("perturb_speed --data gone --out o --factors 0.9", "error: gone/utt2spk is"),
        ("prepare_slurp --corpus gone", "error: gone is missing: give"),
        ("prepare_xsum --corpus gone", "error: gone is missing"),
        ("format_wav_scp --data gone --out o", "error: gone/wav.scp is missing"),
        ("filter_data --data gone --out o", "error: gone/wav.scp is missing"),
        ("cut_text --data d --bpemodel gone --out o", "error: gone is missing: make"),
        ("tokens --text gone --nbpe 9 --out o", "error: gone is missing"),
        (
            "lm_stats --text gone --bpemodel gone --token_list gone --out o",
            "error: gone is missing: make the units first (stage 5)",
        ),
        ("make_mini --corpus must_c --out o --num_dev 0", "error: --num_dev 0"),
        ("make_mini --corpus xsum --out o --seed -1", "error: --seed -1"),
    ],
)
def test_bad_input_is_one_line_and_status_1(tmp_path, options, message):
    done = _run(*options.split(), cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(message) and done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_quick_to_import(tmp_path, name):
    probe = (
        f"import sys; from espnet_mtla.bin import {name} as command\n"
        "sys.argv = ['x', '--help']\n"
        "try: command.main()\n"
        "except SystemExit: pass\n"
        "slow = {'torch', 'espnet2', 'scipy', 'numpy'} & set(sys.modules)\n"
        "sys.exit(str(slow) if slow else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--" in done.stdout
