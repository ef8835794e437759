"""Configurations and documented options of recipes, as ESPnet and our decoders take them."""

import argparse
from pathlib import Path

import pytest
import torch
import yaml

from espnet_mtla.bin import check_recipe
from espnet_mtla.stock import STOCK
from espnet_mtla.variant import VARIANTS

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "egs2").glob("*/*/conf/train_[!l]*.yaml"))  # no LMs
CONFIGS += sorted((ROOT / "conf").glob("mini/train_[!l]*.yaml"))
TASKS = {"asr": "asr", "st": "st", "slu": "slu", "sum": "mt"}
# What the head of a file says: units, and parameters with MHA.
SIZES = {
    "egs2/slurp/slu1/conf/train_slu.yaml": (500, 117),
    "egs2/xsum/sum1/conf/train_sum.yaml": (30000, 113),
}


@pytest.mark.parametrize("decoder", ["mha", "mtla", "transformer"])
@pytest.mark.parametrize("config", CONFIGS, ids=lambda p: p.parent.parent.name)
def test_the_model_is_built(config, decoder, tmp_path):
    from espnet_mtla.config import training_config
    from espnet_mtla.decoder.variants import decoder_class
    from espnet_mtla.tasks import task_class

    fragment = ROOT / "conf" / "decoder" / f"{decoder}.yaml"
    options = training_config([str(config), str(fragment)], [])
    task = task_class(TASKS[config.stem.split("_")[1]])
    name = config.relative_to(ROOT).as_posix()
    units, millions = SIZES.get(name, (100, None))
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("".join(f"t{i}\n" for i in range(units)))
    argv = ["--output_dir", str(tmp_path), "--token_list", str(tokens)]
    args = task.get_parser().parse_args(argv)
    assert options.keys() <= vars(args).keys()
    vars(args).update(options)
    if options.get("frontend") == "s3prl":  # an extra: its features' size will do
        args.frontend, args.input_size = None, 1024
    if "src_token_list" in args:
        args.src_token_list = str(tokens)
    # On this device nobody draws weights, or holds them.
    with torch.device("meta"):
        model = task.build_model(args)
    stock = STOCK.get(decoder)
    assert type(model.decoder) is (stock.decoder() if stock else decoder_class(decoder))
    if millions and decoder == "mha":
        size = sum(p.numel() for p in model.parameters())
        assert round(size / 1e6) == millions


@pytest.mark.parametrize(
    "path",
    sorted([*ROOT.glob("egs2/*/*/conf/*.yaml"), *ROOT.glob("conf/mini/*.yaml")]),
    ids=lambda p: f"{p.parent.parent.name}-{p.stem}",
)
def test_every_configuration_says_the_command_that_runs_it(path):
    first = path.read_text("utf-8").splitlines()
    assert any("run.sh" in line for line in first if line.startswith("#"))
    assert isinstance(yaml.safe_load(path.read_text("utf-8")), dict)


@pytest.mark.parametrize(
    ("name", "units", "millions"),
    [("train_lm_transformer.yaml", 5000, 53.7), ("mini/train_lm_mini.yaml", 150, 0.3)],
)
def test_the_language_model_is_built(name, units, millions):
    from espnet_mtla.compat import task_class

    given = yaml.safe_load((ROOT / "conf" / name).read_text("utf-8"))
    known = task_class("lm").get_default_config()
    assert given.keys() <= known.keys()
    conf = known | given | {"token_list": [f"t{i}" for i in range(units)]}
    with torch.device("meta"):
        model = task_class("lm").build_model(argparse.Namespace(**conf))
    size = sum(p.numel() for p in model.parameters()) / 1e6
    assert size == pytest.approx(millions, abs=0.05)


def build(config, decoder, n_units):
    tokens = [f"t{i}" for i in range(n_units)]
    from espnet_mtla.config import merged_config
    from espnet_mtla.tasks import task_class

    conf = task_class("st").get_default_config()
    fragment = ROOT / f"conf/decoder/{decoder}.yaml"
    conf |= merged_config([str(ROOT / "egs2/must_c/st1/conf" / config), str(fragment)])
    conf |= {"token_list": tokens, "src_token_list": tokens}
    with torch.device("meta"):
        return task_class("st").build_model(argparse.Namespace(**conf))


@pytest.mark.parametrize("decoder", VARIANTS)
def test_the_papers_model_of_translation(decoder):
    """12 + 9 layers of 512 (paper: 78 M with MHA, 74 M with MQA and GQA).

    ESPnet's 2-D convolutional front end holds 4 M more than fairseq's.
    """
    model = build("train_st.yaml", decoder, 8000)
    millions = sum(p.numel() for p in model.decoder.parameters()) / 1e6
    layers, size = model.decoder.layers, model.decoder.embed.embedding_dim
    assert (len(model.encoder.encoders), len(layers), size) == (12, 9, 512)
    assert model.decoder.attention.n_heads == 8
    # embedding and output 8.2 M, projector 0.26 M, nine layers of 3.15 M
    small = {"mqa": 4.1, "gqa": 3.5}.get(decoder, 0)
    assert millions == pytest.approx(36.8 - small, abs=0.5)
    wanted = {"mha": 1024, "mqa": 128, "gqa": 256, "mla": 288, "mtla": 144}
    assert model.decoder.attention.cache_elements == wanted[decoder]


@pytest.mark.parametrize("decoder", VARIANTS)
def test_the_mini_model_of_translation(decoder):
    model = build("train_st_mini.yaml", decoder, 300)
    assert sum(p.numel() for p in model.parameters()) < 3e6


def test_a_documented_run_is_what_training_and_decoding_take(
    documented_plan, monkeypatch
):
    # a package that only AMI's paper setting needs
    monkeypatch.setattr(check_recipe, "find_spec", lambda _: True)
    check_recipe.main(documented_plan.checked)
