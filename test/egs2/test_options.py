"""The option parser of the recipes, on options of the test's own."""

import subprocess
from pathlib import Path

import pytest

OPTIONS = Path(__file__).resolve().parents[2] / "egs2/TEMPLATE/options.sh"

SCRIPT = r"""
set -euo pipefail
. "$1"
shift
print_usage() { echo "Usage: run.sh" && print_help; }
option mini bool false "a small corpus"
option decoder text mtla "decoder"
option decoder_args text "" "its options"
option nbpe int 1 "units"
option tgt_nbpe int "{nbpe}" "units of the target"
option lang text de "language"
option train_set text "train.{lang}" "training set"
option max_wav_duration number 30 "seconds"
default nbpe 8000 150
parse_options "$@"
for name in "${option_names[@]}"; do echo "$name=${opt[$name]}"; done
"""

DEFAULTS = {
    "mini": "false",
    "decoder": "mtla",
    "decoder_args": "",
    "nbpe": "8000",
    "tgt_nbpe": "8000",
    "lang": "de",
    "train_set": "train.de",
    "max_wav_duration": "30",
}


def parse(*args):
    return subprocess.run(
        ["bash", "-c", SCRIPT, "bash", OPTIONS, *args],
        check=False,
        text=True,
        capture_output=True,
        timeout=20,
    )


@pytest.mark.parametrize(
    "args, values",
    [
        ([], {}),
        (
            ["--decoder", "mha", "--nbpe", "60"],
            {"decoder": "mha", "nbpe": "60", "tgt_nbpe": "60"},
        ),
        (["--decoder=mha"], {"decoder": "mha"}),
        (["--decoder="], {"decoder": ""}),
        (["--decoder", ""], {"decoder": ""}),
        (["--decoder", "mha", "--decoder", "mla"], {"decoder": "mla"}),
        (["--mini", "true"], {"mini": "true", "nbpe": "150", "tgt_nbpe": "150"}),
        (["--nbpe=9", "--mini=true"], {"mini": "true", "nbpe": "9", "tgt_nbpe": "9"}),
        (["--lang", "fr"], {"lang": "fr", "train_set": "train.fr"}),
        (["--decoder_args", "a=1 b=2"], {"decoder_args": "a=1 b=2"}),
        (["--decoder_args=--a=1"], {"decoder_args": "--a=1"}),
        (["--decoder_args", "--max_epoch 3"], {"decoder_args": "--max_epoch 3"}),
        (["--max_wav_duration", "0.5"], {"max_wav_duration": "0.5"}),
        (["--lang", "{nbpe}"], {"lang": "{nbpe}", "train_set": "train.8000"}),
        # Nothing a user writes is run.
        (
            ["--lang", "$(touch x); `id` *"],
            {"lang": "$(touch x); `id` *"} | {"train_set": "train.$(touch x); `id` *"},
        ),
    ],
)
def test_values(args, values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = parse(*args)
    assert (done.returncode, done.stderr) == (0, "")
    got = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert got == DEFAULTS | values
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "args, message",
    [
        (
            ["--decodr", "x"],
            "unknown option --decodr: did you mean --decoder? see --help",
        ),
        (
            ["--max-wav-duration=3"],
            "unknown option --max-wav-duration: did you mean --max_wav_duration? see --help",
        ),
        (
            ["--tgt_npbe", "3"],
            "unknown option --tgt_npbe: did you mean --tgt_nbpe? see --help",
        ),
        (["--wholly_other", "x"], "unknown option --wholly_other: see --help"),
        (["--opt[0]", "x"], "unknown option --opt[0]: see --help"),
        (["--decoder"], "--decoder needs a value"),
        (["--decoder", "--nbpe", "3"], "--decoder needs a value"),
        (["--decoder", "--nbpe=3"], "--decoder needs a value"),
        (["--nbpe", "many"], "--nbpe is a whole number, not 'many'"),
        (["--nbpe", "-1"], "--nbpe is a whole number, not '-1'"),
        (["--nbpe=1.5"], "--nbpe is a whole number, not '1.5'"),
        (["--nbpe="], "--nbpe is a whole number, not ''"),
        (["--mini", "True"], "--mini is true or false, not 'True'"),
        (["--max_wav_duration", "1e3"], "--max_wav_duration is a number, not '1e3'"),
        (["mha"], "'mha' is not an option: options are --name value (see --help)"),
        (["-d", "mha"], "'-d' is not an option: options are --name value (see --help)"),
    ],
)
def test_refusals(args, message):
    done = parse(*args)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"run.sh: {message}\n"


def test_help_has_a_line_for_each_option():
    done = parse("--decoder", "mha", "--help")
    assert done.returncode == 0 and done.stderr == ""
    usage, *lines = done.stdout.splitlines()
    assert usage == "Usage: run.sh"
    assert [line.split()[0] for line in lines] == [f"--{name}" for name in DEFAULTS]
    assert lines[3].split(maxsplit=1)[1] == "units (8000; with --mini true: 150)"
    assert lines[2].split(maxsplit=1)[1] == "its options"
