"""Whole ESPnet models of every task, trained with our decoders."""

import argparse

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel

from espnet_mtla import compat, registry
from espnet_mtla.variant import VARIANTS

TOKENS = ["<blank>", "<unk>", "a", "b", "c", "<sos/eos>"]
ENCODER = {"output_size": 16, "attention_heads": 2, "linear_units": 8, "num_blocks": 1}
DECODER = {"attention_heads": 2, "linear_units": 8, "num_blocks": 2}


def build(task, decoder, context, **more):
    """A small model of a task, from ESPnet's own defaults."""
    registry.register([task])
    kind = compat.task_class(task)
    conf = kind.get_default_config() | {
        "token_list": TOKENS,
        "src_token_list": TOKENS,
        "transcript_token_list": None,
        "encoder": "transformer",
        "encoder_conf": ENCODER | ({"input_layer": "linear"} if task == "mt" else {}),
        "decoder": decoder,
        "decoder_conf": DECODER | {"context": context},
        "specaug": None,
        **({} if task == "mt" else {"input_size": 20, "frontend": None}),
        **more,
    }
    return kind.build_model(argparse.Namespace(**conf))


def batch(task):
    def ragged(*lengths):
        sizes = torch.tensor(lengths)
        return torch.randint(2, 5, (len(lengths), max(lengths))), sizes

    text, text_lengths = ragged(3, 7, 5)
    found = {"text": text, "text_lengths": text_lengths}
    if task in ("st", "mt"):
        found["src_text"], found["src_text_lengths"] = ragged(4, 6, 2)
    if task != "mt":
        found["speech"] = torch.randn(3, 60, 20)
        found["speech_lengths"] = torch.tensor([60, 41, 52])
    return found


@pytest.mark.parametrize("decoder", VARIANTS)
@pytest.mark.parametrize(
    ("task", "context", "losses"),
    [
        ("asr", "prompt", {"ctc_weight": 0.3, "lsm_weight": 0.1}),
        ("asr", "cross", {"ctc_weight": 0.3, "lsm_weight": 0.1}),
        ("st", "prompt", {"asr_weight": 0.3, "mtlalpha": 1.0, "lsm_weight": 0.1}),
        ("st", "cross", {"st_mtlalpha": 0.3}),
        ("slu", "prompt", {"ctc_weight": 0.5}),
        ("mt", "prompt", {"lsm_weight": 0.1}),
        ("mt", "cross", {"lsm_weight": 0.1}),
    ],
)
def test_losses_reach_every_weight(task, context, losses, decoder):
    model = build(task, decoder, context, model_conf=losses)
    loss, stats, _ = model(**batch(task))
    loss.backward()
    assert loss.isfinite()
    assert 0 <= stats["acc"] <= 1
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all(), name


@pytest.fixture
def process_group(tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("decoder", VARIANTS)
def test_trains_under_ddp(process_group, decoder, context):
    """DDP stops at the second step when a weight took no part in the first."""
    losses = {"asr_weight": 0.3, "mtlalpha": 1.0}
    model = DistributedDataParallel(build("st", decoder, context, model_conf=losses))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    before = [p.clone() for p in model.module.decoder.parameters()]
    for _ in range(2):
        optimizer.zero_grad()
        model(**batch("st"))[0].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    for old, new in zip(before, model.module.decoder.parameters()):
        assert not torch.equal(old, new)
