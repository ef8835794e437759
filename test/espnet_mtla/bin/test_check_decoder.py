"""Bad decoder options are refused before a recipe's first stage."""

from pathlib import Path

import pytest

from espnet_mtla.bin.check_decoder import main
from espnet_mtla.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = sorted((ROOT / "egs2").glob("*/*/conf/train_[!l]*.yaml"))  # no LMs
FRAGMENTS = sorted((ROOT / "conf/decoder").glob("*.yaml"))


def check(config, fragment, *given):
    words = ["--config", str(config), "--config", str(fragment)]
    main(words + [word for item in given for word in ("--decoder_conf", item)])


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda p: p.stem)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda p: p.stem)
def test_every_configuration_takes_every_decoder(config, fragment):
    check(config, fragment)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("temporal_strid=4", "did you mean 'temporal_stride'"),
        ("temporal_stride=0", "temporal_stride=0"),
        ("attention_heads=5", "give a divisor of the width 144"),
    ],
)
def test_bad_options_are_named(given, words):
    mini = ROOT / "egs2/must_c/st1/conf/train_st_mini.yaml"
    check(mini, ROOT / "conf/decoder/mtla.yaml", "temporal_stride=4")
    with pytest.raises(InputError, match=words):
        check(mini, ROOT / "conf/decoder/mtla.yaml", given)
