"""A variant is its one entry: what is derived from it, and one that is added here."""

import inspect
import pickle
import random

import pytest
import torch

from bench.contender import contender
from bench.work import Case
from espnet_mtla import compat, registry, variant
from espnet_mtla.attention import GroupedAttention, naive
from espnet_mtla.decoder.prompt import PromptDecoder
from espnet_mtla.decoder.variants import decoder_class
from espnet_mtla.errors import InputError
from espnet_mtla.scoring.trained import label_of
from espnet_mtla.task import TASKS
from espnet_mtla.variant import COMMON, VARIANTS, Variant, parse


@pytest.mark.parametrize("name", VARIANTS)
def test_a_decoder_s_signature_has_the_options_of_its_variant(name):
    decoder = decoder_class(name)
    parameters = inspect.signature(decoder).parameters.values()
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters)
    options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert options == {**COMMON, **VARIANTS[name].options}
    assert {"vocab_size", "encoder_output_size"} == {
        p.name for p in parameters if p.default is p.empty
    }
    assert pickle.loads(pickle.dumps(decoder)) is decoder  # as spawned processes do


def drawn_options(name: str) -> dict:
    """Sizes that a variant takes, away from the defaults."""
    values = {
        "num_kv_heads": random.choice([1, 2, 4]),
        "kv_lora_rank": 2 * random.randint(2, 9),
        "q_lora_rank": random.randint(0, 5),
        "qk_nope_head_dim": random.randint(1, 7),
        "qk_rope_head_dim": 2 * random.randint(1, 4),
        "v_head_dim": random.randint(1, 7),
        "temporal_stride": random.randint(1, 5),
    }
    return {n: values[n] for n in VARIANTS[name].options if random.random() < 0.7}


@pytest.mark.parametrize("size", [16, 24, 40])
@pytest.mark.parametrize("name", VARIANTS)
def test_costs_are_those_of_the_layer_that_is_built(name, size):
    options = drawn_options(name)
    decoder = decoder_class(name)(7, size, attention_heads=4, num_blocks=1, **options)
    attention = decoder.attention
    cost = VARIANTS[name].layer_cost(size, 4, options)
    assert cost.cached / cost.stride == attention.cache_elements
    matrices = [p for p in attention.parameters() if p.dim() == 2]
    assert cost.weights == sum(p.numel() for p in matrices)


@pytest.mark.parametrize(
    ("short", "label"),
    [
        ("mha", "mha"),
        ("gqa", "gqa"),
        ("mla", "mla"),
        ("mtla", "mtla s=2"),
        ("mtla11", "mtla s=11"),
    ],
)
def test_benchmarks_and_tables_mean_the_same(short, label):
    variant, options = parse(short)
    assert variant.label(options) == label
    assert parse(variant.short) == (variant, parse(variant.short)[1])


@pytest.mark.parametrize("short", ["mla2", "mtla0", "mtla-2", "MHA", "", "mhha", "2"])
def test_an_unknown_short_name_is_refused(short):
    with pytest.raises(
        InputError, match=f"give {', '.join(VARIANTS)} or mtla<stride>$"
    ):
        parse(short)
    with pytest.raises(InputError, match=f"give one of {', '.join(VARIANTS)}$"):
        decoder_class(short)


class NormedAttention(GroupedAttention):
    """MHA whose keys are normalised."""

    def __init__(self, size: int, **options):
        super().__init__(size, **options)
        norm = torch.nn.LayerNorm(self.n_groups * self.width)
        self.linear_k = torch.nn.Sequential(self.linear_k, norm)


@pytest.fixture
def toy(monkeypatch):
    """A variant that is added by its entry and its equations."""
    entry = Variant(
        "normed",
        f"{__name__}:NormedAttention",
        "espnet_mtla.attention.source:GroupedSource",
        variant.grouped_cost,
    )
    monkeypatch.setitem(VARIANTS, "normed", entry)
    monkeypatch.setitem(naive.HEADS, NormedAttention, naive.HEADS[GroupedAttention])
    for task in TASKS:  # what is registered is taken back
        choices = compat.task_module(task).decoder_choices
        monkeypatch.setattr(choices, "classes", dict(choices.classes))
    return entry


def test_a_variant_added_by_its_entry_is_a_decoder_everywhere(toy):
    registry.register("st")
    kind = compat.task_module("st").decoder_choices.get_class("normed")
    assert issubclass(kind, PromptDecoder)
    decoder = kind(11, 16, attention_heads=2, linear_units=8, num_blocks=2)
    prompt, lengths = torch.randn(2, 5, 16), torch.tensor([5, 3])
    text = torch.randint(1, 11, (2, 4))
    logits, _ = decoder(prompt, lengths, text, torch.tensor([4, 4]))
    logits.sum().backward()
    for name, p in decoder.named_parameters():
        assert p.grad.isfinite().all(), name

    decoder.eval()
    state = decoder.batch_init_state(prompt, lengths)
    states, steps = [state.select(0), state.select(1)], []
    for n in range(1, 5):
        scores, states = decoder.batch_score(text[:, :n], states, None)
        steps.append(scores)
    want = decoder(prompt, lengths, text, torch.tensor([4, 4]))[0].log_softmax(-1)
    torch.testing.assert_close(torch.stack(steps, 1), want, rtol=0, atol=1e-4)

    attention = decoder.attention
    layout = attention.layout(torch.tensor([3]), 3, 4)
    packed = torch.randn(1, 7, 16)
    got = attention(packed[:, 3:], packed[:, :3], layout)
    naively = naive.naive_attention(attention, packed[0], 3)
    torch.testing.assert_close(got[0], naively, rtol=0, atol=1e-5)


def test_a_variant_added_by_its_entry_is_measured_and_named(toy):
    case = Case(2, beam=3, prompt=5, tokens=4, layers=1, size=16, heads=2, vocabulary=9)
    made = contender("ours:normed", case)
    assert made.decode(torch.randn(2, 5, 16), 4)
    assert made.cost.flops > 0
    assert label_of({"decoder": "normed", "decoder_conf": {}}) == "normed"


def test_equations_of_another_class_are_refused(toy):
    class Unknown(NormedAttention):
        pass

    module = Unknown(8, attention_heads=2)
    with pytest.raises(KeyError, match="Unknown"):
        naive.naive_attention(module, torch.randn(4, 8), 2)
