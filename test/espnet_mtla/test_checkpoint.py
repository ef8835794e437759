"""A checkpoint must be the one its configuration was trained with."""

from pathlib import Path

import pytest
import torch
import yaml

from espnet_mtla.checkpoint import (
    check_checkpoint,
    check_pretrained,
    put_broken_aside,
)
from espnet_mtla.decoder.variants import decoder_class
from espnet_mtla.errors import InputError
from espnet_mtla.stock import STOCK
from espnet_mtla.variant import VARIANTS

CONF = {"attention_heads": 2, "num_blocks": 1, "linear_units": 8}


@pytest.fixture
def saved(tmp_path):
    def save(decoder="mtla", weights="mtla", options=None):
        conf = {"decoder": decoder, "decoder_conf": CONF | (options or {})}
        config, model = tmp_path / "config.yaml", tmp_path / "valid.acc.ave.pth"
        config.write_text(yaml.safe_dump(conf), encoding="utf-8")
        stock = STOCK.get(weights)
        kind = stock.decoder() if stock else decoder_class(weights)
        state = kind(6, 16, **CONF).state_dict()
        state = {f"decoder.{k}": v for k, v in state.items()}
        torch.save({**state, "encoder.w": torch.ones(1)}, model)
        return str(config), str(model)

    return save


@pytest.mark.parametrize("name", [*VARIANTS, *STOCK])
def test_its_own_passes(saved, name):
    check_checkpoint(*saved(name, name))


@pytest.mark.parametrize(
    ("name", "other"),
    [("mtla", "mla"), ("mha", "mqa"), ("transformer", "mha"), ("mha", "transformer")],
)
def test_another_decoders_is_refused(saved, name, other):
    with pytest.raises(InputError, match=rf"ave.pth is not a checkpoint of .*{name}"):
        check_checkpoint(*saved(name, other))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mtla", {"num_blocks": 2}),
        ("transformer", {"num_blocks": 2}),
        ("transformer", {"normalize_before": False}),
        ("transformer", {"qk_norm": True}),
    ],
)
def test_another_size_is_refused(saved, name, options):
    with pytest.raises(
        InputError, match=r"not a checkpoint of .*of its weights \d+ are"
    ):
        check_checkpoint(*saved(name, name, options))


@pytest.mark.parametrize("lost", ["decoder.", "decoder.decoders.0.src_attn.linear_k."])
def test_espnet_s_decoder_must_be_all_there(saved, lost):
    config, model = saved("transformer", "transformer")
    state = torch.load(model)
    torch.save({k: v for k, v in state.items() if not k.startswith(lost)}, model)
    with pytest.raises(
        InputError, match=r"ave.pth is not a checkpoint of .*\(decoder transformer\)"
    ):
        check_checkpoint(config, model)


def test_a_decoder_that_no_recipe_trains_is_left_to_espnet(saved):
    check_checkpoint(*saved("rnn", "mha"))


def test_an_empty_or_broken_file_is_refused(saved):
    config, model = saved()
    torch.save({}, model)
    with pytest.raises(InputError, match="an empty checkpoint"):
        check_checkpoint(config, model)
    torch.save({"encoder.w": torch.ones(1)}, model)
    with pytest.raises(InputError, match="not a checkpoint of"):
        check_checkpoint(config, model)
    with open(model, "w") as f:
        f.write("not a checkpoint")
    with pytest.raises(InputError, match="not a readable checkpoint"):
        check_checkpoint(config, model)


def test_a_missing_file_is_named(saved):
    config, model = saved()
    with pytest.raises(InputError, match="no such model file; train first"):
        check_checkpoint(config, model + "x")
    with pytest.raises(InputError, match="no such config"):
        check_checkpoint(None, model)


def test_pretrained_weights_must_be_there(saved):
    _, model = saved()
    check_pretrained(f"{model}:encoder:encoder")
    with pytest.raises(InputError, match=r"holds no weights of 'frontend'"):
        check_pretrained(f"{model}:frontend:frontend")
    with pytest.raises(InputError, match="gone.pth: no such file"):
        check_pretrained("gone.pth:encoder:encoder")
    torch.save({"model": {"encoder.w": torch.ones(1)}}, model)  # a trainer's state
    with pytest.raises(InputError, match=r"holds no weights of 'encoder'"):
        check_pretrained(f"{model}:encoder:encoder")


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_older_mtla_is_loaded_and_not_started_from(saved, version):
    """Its gates get the gain that they had (test_reference.py)."""
    config, model = saved()
    state = torch.load(model)
    old = {k: v for k, v in state.items() if "gate_gain" not in k}
    if version == "0.2.0":
        for name in state.keys() - old.keys():
            old[name.replace("gate_gain", "gate_scale")] = torch.tensor(0.01)
    torch.save(old, model)
    check_checkpoint(config, model)
    check_pretrained(f"{model}:encoder:encoder")
    for what in ("", ":decoder:decoder", ":decoder.layers:decoder.layers"):
        with pytest.raises(InputError, match="an MTLA decoder of espnet_mtla 0.1"):
            check_pretrained(model + what)
    check_pretrained(f"{model}:::decoder")
    check_pretrained(f"{model}:::encoder,decoder.layers")
    torch.save(state, model)
    check_pretrained(model)
    check_pretrained(f"{model}:decoder.layers.0.self_attn.linear_c:x")


def test_a_checkpoint_that_was_cut_short_is_put_aside(saved, tmp_path):
    _, model = saved()
    checkpoint = tmp_path / "checkpoint.pth"
    whole = Path(model).read_bytes()
    checkpoint.write_bytes(whole)
    put_broken_aside(checkpoint)
    assert checkpoint.read_bytes() == whole
    checkpoint.write_bytes(whole[: len(whole) // 2])
    put_broken_aside(checkpoint)
    assert not checkpoint.exists()
    assert (tmp_path / "checkpoint.broken").stat().st_size == len(whole) // 2
    put_broken_aside(checkpoint)  # nothing there: nothing to do
