"""MuST-C's configurations build the models that they say."""

import argparse
from pathlib import Path

import pytest
import torch

from espnet_mtla.config import merged_config
from espnet_mtla.tasks import task_class
from espnet_mtla.variant import VARIANTS

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "egs2/must_c/st1/conf"


def build(config, decoder, n_units):
    tokens = [f"t{i}" for i in range(n_units)]
    conf = task_class("st").get_default_config()
    fragment = ROOT / f"conf/decoder/{decoder}.yaml"
    conf |= merged_config([str(RECIPE / config), str(fragment)])
    conf |= {"token_list": tokens, "src_token_list": tokens}
    with torch.device("meta"):
        return task_class("st").build_model(argparse.Namespace(**conf))


@pytest.mark.parametrize("decoder", VARIANTS)
def test_the_papers_model(decoder):
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
def test_the_mini_model(decoder):
    model = build("train_st_mini.yaml", decoder, 300)
    assert sum(p.numel() for p in model.parameters()) < 3e6
