"""Configurations whose model cannot be built are refused with their reason."""

import pytest
import yaml

from espnet_mtla.errors import InputError
from espnet_mtla.trial import build

SMALL = {
    "encoder": "transformer",
    "encoder_conf": {"output_size": 16, "attention_heads": 2, "num_blocks": 1},
    "decoder": "mtla",
    "decoder_conf": {"attention_heads": 2},
}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"max_epok": 3},
            r"a.yaml: ESPnet has no option max_epok \(did you mean 'max_epoch'",
        ),
        ({"encoder_conf": {"num_blokcs": 2}}, "num_blokcs"),
        ({"encoder_conf": {"num_blocks": "two"}}, "num_blocks.*not an instance of int"),
        ({"frontend_conf": {"n_ftt": 512}}, "n_ftt"),
        ({"decoder_conf": {"attention_heads": 3}}, "attention_heads"),
        ({"specaug": "specaug", "specaug_conf": {"x": 1}}, "'x'"),
    ],
)
@pytest.mark.parametrize("task", ["asr", "st"])
def test_a_mistake_is_named(task, wrong, said):
    build(task, SMALL, ["a.yaml"])
    with pytest.raises(InputError, match=said) as refused:
        build(task, SMALL | wrong, ["a.yaml"])
    assert str(refused.value).startswith("a.yaml: ") and "\n" not in str(refused.value)


def test_numbers_stay_what_they_are():
    """As YAML reads them."""
    build("mt", yaml.safe_load("encoder: transformer\nmax_epoch: 3"), ["a.yaml"])
