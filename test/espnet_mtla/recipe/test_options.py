"""The option parser of the recipes, on options of the test's own."""

import pytest

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.declared import table
from espnet_mtla.recipe.options import HelpAsked, Options

DECLARED = """
mini  bool  false  a small corpus
decoder  text  mtla  decoder
decoder_args  text  -  its options
size  full|mini  full||mini  model
nbpe  int  8000||150  units
tgt_nbpe  int  {nbpe}  units of the target
lang  text  de  language
train_set  text  train.{lang}  training set
max_wav_duration  number  30  seconds
"""

DEFAULTS = {
    "mini": "false",
    "size": "full",
    "decoder": "mtla",
    "decoder_args": "",
    "nbpe": "8000",
    "tgt_nbpe": "8000",
    "lang": "de",
    "train_set": "train.de",
    "max_wav_duration": "30",
}


@pytest.fixture
def options():
    return Options(table(DECLARED))


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
        (
            ["--mini", "true"],
            {"mini": "true", "size": "mini", "nbpe": "150", "tgt_nbpe": "150"},
        ),
        (
            ["--nbpe=9", "--mini=true"],
            {"mini": "true", "size": "mini", "nbpe": "9", "tgt_nbpe": "9"},
        ),
        (["--size", "mini"], {"size": "mini", "nbpe": "150", "tgt_nbpe": "150"}),
        (["--mini", "true", "--size", "full"], {"mini": "true"}),
        (["--lang", "fr"], {"lang": "fr", "train_set": "train.fr"}),
        (["--decoder_args", "a=1 b=2"], {"decoder_args": "a=1 b=2"}),
        (["--decoder_args=--a=1"], {"decoder_args": "--a=1"}),
        (["--decoder_args", "--max_epoch 3"], {"decoder_args": "--max_epoch 3"}),
        (["--max_wav_duration", "0.5"], {"max_wav_duration": "0.5"}),
        (["--lang", "{nbpe}"], {"lang": "{nbpe}", "train_set": "train.{nbpe}"}),
        # nothing that a user writes is run
        (
            ["--lang", "$(touch x); `id` *"],
            {"lang": "$(touch x); `id` *"} | {"train_set": "train.$(touch x); `id` *"},
        ),
    ],
)
def test_values(options, args, values):
    options.read(args)
    assert options.values == DEFAULTS | values


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
def test_refusals(options, args, message):
    with pytest.raises(InputError) as refused:
        options.read(args)
    assert str(refused.value) == message


def test_help_has_a_line_for_each_option(options):
    with pytest.raises(HelpAsked):
        options.read(["--decoder", "mha", "--help"])
    lines = options.explained().splitlines()
    assert {line.split()[0] for line in lines} == {f"--{name}" for name in DEFAULTS}
    explained = dict(line.split(maxsplit=1) for line in lines)
    assert explained["--size"] == "model (full; with --mini true: mini)"
    assert explained["--nbpe"] == "units (8000; with --size mini: 150)"
    assert explained["--decoder_args"] == "its options"


def test_what_the_paper_says_stands_for_options(options):
    (paper,) = table("\npaper  bool  false  as in the paper\n")
    found = Options(
        [*options.declared.values(), paper], ["--decoder", "mla", "--nbpe=7"]
    )
    found.read(["--paper", "true", "--nbpe", "9"])
    assert (found["decoder"], found["nbpe"]) == ("mla", "9")
    assert found.differs("decoder")


def test_a_default_that_names_itself_does_not_loop(options):
    options.declared["lang"].default = "x{lang}"
    options.read(["--train_set", "{gone}"])
    assert options["train_set"] == "{gone}"
