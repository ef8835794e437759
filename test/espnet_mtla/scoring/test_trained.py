"""What was trained: found wherever it is named, told apart, ordered."""

import random
import shutil

import pytest

from espnet_mtla.errors import InputError
from espnet_mtla.scoring.trained import find_trained, label_of, training_of


def tags(rows):
    return [row.tag for row in rows]


@pytest.mark.parametrize(
    ("config", "label"),
    [
        ({"decoder": "mha"}, "mha"),
        ({"decoder": "mha", "decoder_conf": None}, "mha"),
        ({"decoder": "mtla"}, "mtla s=2"),
        ({"decoder": "mtla", "decoder_conf": {"temporal_stride": 7}}, "mtla s=7"),
        ({"decoder": "mla", "decoder_conf": {"context": "prompt"}}, "mla"),
        ({"decoder": "gqa", "decoder_conf": {"context": "cross"}}, "gqa, cross"),
        ({"decoder": "mtla", "decoder_conf": {"context": "cross"}}, "mtla s=2, cross"),
        (
            {"decoder": "mla", "decoder_conf": {"q_lora_rank": 0, "num_blocks": 3}},
            "mla",
        ),
        (
            {"decoder": "mla", "decoder_conf": {"q_lora_rank": 8, "kv_lora_rank": 64}},
            "mla kv_lora_rank=64 q_lora_rank=8",
        ),
        ({"decoder": "gqa", "decoder_conf": {"num_kv_heads": 2}}, "gqa"),
        (
            {
                "decoder": "mtla",
                "decoder_conf": {"temporal_stride": 3, "v_head_dim": 5}
                | {"context": "cross"},
            },
            "mtla s=3 v_head_dim=5, cross",
        ),
        ({"decoder": "transformer", "decoder_conf": {"num_blocks": 6}}, "transformer"),
        (
            {
                "decoder": "transformer",
                "decoder_conf": {"dropout_rate": 0.3, "positional_dropout_rate": 0.3}
                | {"qk_norm": True, "concat_after": False, "an_option_of_tomorrow": 1},
            },
            "transformer qk_norm=True an_option_of_tomorrow=1",
        ),
        (  # not as ours would have it
            {"decoder": "transformer", "decoder_conf": {"dropout_rate": 0.3}},
            "transformer positional_dropout_rate=0.1",
        ),
        ({"decoder": "rnn", "decoder_conf": {"num_blocks": 6}}, "rnn"),
        ({"decoder": None}, "none"),
    ],
)
def test_variants_have_names(config, label):
    assert label_of(config) == label


CONFIG = {
    "decoder": "mha",
    "decoder_conf": {"linear_units": 2048},
    "output_dir": "exp/a",
    "config": "exp/a/train.yaml",
    "seed": 1,
    "ngpu": 0,
    "dist_rank": None,
    "distributed": False,
    "multiprocessing_distributed": False,
    "log_interval": 50,
    "num_workers": 1,
    "wandb_name": None,
    "resume": True,
    "accum_grad": 1,
    "optim": "adam",
    "specaug": None,
    "keep_nbest_models": 3,
    "train_data_path_and_name_and_type": [["dump/wav.scp", "speech", "sound"]],
}


@pytest.mark.parametrize(
    ("decoder", "options"),
    [
        ("mha", {"num_blocks": 9, "context": "prompt"}),
        ("mqa", {"attention_heads": 8, "dropout_rate": 0.1}),
        ("gqa", {"num_kv_heads": 4, "linear_units": 2048}),
        ("mla", {"q_lora_rank": 0, "self_attention_dropout_rate": 0.0}),
        ("mtla", {"temporal_stride": 3}),
        ("transformer", {"attention_heads": 8, "num_blocks": 9, "concat_after": True}),
    ],
)
def test_variants_of_one_training(decoder, options):
    """Defaults may be written out; place, machine, log and seed are no difference."""
    other = {"seed": 7}
    other |= {"output_dir": "b", "config": "b.yaml", "ngpu": 2, "dist_rank": 1}
    other |= {"distributed": True, "multiprocessing_distributed": True}
    other |= {"log_interval": 1, "num_workers": 4, "wandb_name": "b", "resume": False}
    other |= {"decoder": decoder, "decoder_conf": options}
    other = CONFIG | other
    names = random.sample(list(other), len(other))
    assert training_of({name: other[name] for name in names}) == training_of(CONFIG)


@pytest.mark.parametrize(
    "change",
    [
        {"accum_grad": 2},
        {"optim": "adamw"},
        {"specaug": "specaug"},
        {"keep_nbest_models": 10},
        {"train_data_path_and_name_and_type": [["b/wav.scp", "speech", "sound"]]},
        {"an_option_of_tomorrow": 1},
        *(
            {"decoder_conf": {name: value}}
            for name, value in (
                ("attention_heads", 4),
                ("linear_units", 576),
                ("num_blocks", 3),
                ("dropout_rate", 0.0),
                ("self_attention_dropout_rate", 0.1),
                ("context", "cross"),
            )
        ),
        {"decoder": "transformer"},  # ESPnet's defaults: 6 layers, 4 heads
        {"decoder": "rnn"},
    ],
)
def test_another_training(change):
    assert training_of(CONFIG | change) != training_of(CONFIG)


def test_decoders_of_others_keep_their_options():
    config = CONFIG | {"decoder": "rnn", "decoder_conf": {"num_layers": 6}}
    other = config | {"decoder_conf": {"num_layers": 6, "hidden_size": 7}}
    assert training_of(other) != training_of(config)


def test_rows_are_ordered_by_decoder(trained, tmp_path):
    trained("a", "transformer", 1.0, 1)
    trained("b", "mtla", 1.0, 1, options={"temporal_stride": 4})
    trained("c", "mtla", 1.0, 1)
    trained("d", "mha", 1.0, 1, options={"context": "cross"})
    trained("e", "mha", 1.0, 1)
    trained("f", "gqa", 1.0, 1)
    trained("g", "rnn", 1.0, 1)
    labels = [row.label for row in find_trained([tmp_path])]
    assert labels == [
        *("transformer", "mha", "mha, cross", "gqa", "mtla s=2", "mtla s=4", "rnn")
    ]


def test_a_model_s_searches_are_told_apart_and_of_one_setting(trained, tmp_path):
    trained("a", "mha", 1.0, 1)
    trained("a", "mha", 9.0, 1, decoding="decode_search_espnet", search="espnet")
    trained(
        "b", "mla", 1.0, 1, decoding="decode_search_espnet"
    )  # a folder's name alone
    trained("c", "mla", 1.0, 1, search="fast")
    rows = find_trained([tmp_path])
    assert [(row.label, row.search, row.decoding) for row in rows] == [
        ("mha", "fast", "decode"),
        ("mha, ESPnet's search", "espnet", "decode"),
        ("mla", "fast", "decode_search_espnet"),
        ("mla", "fast", "decode"),
    ]
    assert rows[0].setting == rows[1].setting == rows[3].setting != rows[2].setting


def test_experiments_folders_and_recipes_name_the_same(trained, tmp_path, monkeypatch):
    """A recipe's real and mini experiments; what has no task or score is not there."""
    mini = "egs2/must_c/st1/exp/mini"
    a = trained("a", "mha", 1.0, 1, expdir=mini)
    b = trained("b", "mla", 1.0, 1, expdir=mini)
    c = trained("c", "gqa", 1.0, 1, expdir="egs2/must_c/st1/exp")
    lm = trained("lm", "mha", 1.0, 1, expdir=mini)
    lm.rename(lm.with_name("lm_train"))
    shutil.rmtree(trained("new", "mqa", 1.0, 1, expdir=mini) / "decode")
    recipe = tmp_path / "egs2/must_c/st1"
    (recipe / "run.sh").touch()
    assert tags(find_trained([recipe])) == ["st_a", "st_c", "st_b"]
    assert tags(find_trained([recipe / "exp/mini"])) == ["st_a", "st_b"]
    assert tags(find_trained([b, c])) == ["st_c", "st_b"]
    assert tags(find_trained([a, recipe, c])) == ["st_a", "st_c", "st_b"]
    monkeypatch.chdir(recipe / "exp")
    rows = find_trained(["mini", "../../st1/exp/st_c"])
    assert tags(rows) == ["st_a", "st_c", "st_b"]
    # the corpus is the recipe's, unless it is named
    assert {row.corpus for row in rows} == {"must_c"}
    assert {row.corpus for row in find_trained([a], "ami")} == {"ami"}
    elsewhere = trained("z", "mha", 1.0, 1)
    assert find_trained([elsewhere])[0].corpus == ""


def test_what_cannot_be_compared_has_settings_of_its_own(trained, tmp_path):
    trained("a", "mha", 1.0, 1)
    trained("b", "mla", 2.0, 2)
    trained("c", "mla", 2.0, 2, references=["anderes", "noch", "eins"])
    trained("d", "mla", 2.0, 2, beam_size=50)
    trained("e", "mla", 2.0, 2, test_set="tst-HE.en-de")
    trained("f", "mla", 2.0, 2, decoding="decode_lm")
    trained("g", "mla", 2.0, 2, torch="2.0.1")
    trained("h", "mla", 2.0, 2, score={"signature": "tok:none"})
    a, *others = sorted(find_trained([tmp_path]), key=lambda row: row.tag)
    assert [row.setting == a.setting for row in others] == [True] + 6 * [False]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("mini", "mini: nothing scored yet; run stages 11 to 13 first"),
        ("mini/st_a", "st_a: nothing scored yet"),
        ("mini/st_b", r"mini/st_b: no such folder \(did you mean 'st_a'\?\)"),
        ("mini/lm_a", r"lm_a: experiments are called asr_\.\.\., st_\.\.\., slu_"),
    ],
)
def test_what_is_not_there_is_said(trained, tmp_path, path, words):
    for tag in "ab":
        experiment = trained(tag, "mha", 1.0, 1, expdir="mini")
        shutil.rmtree(experiment / "decode")
    experiment.rename(experiment.with_name("lm_a"))
    with pytest.raises(InputError, match=words):
        find_trained([tmp_path / path])


def test_a_broken_result_is_named(trained, tmp_path):
    broken = next(trained("a", "mha", 20.0, 200).rglob("result.json"))
    broken.write_text('{"bleu": ')
    with pytest.raises(InputError, match=r"result.json:1: not JSON"):
        find_trained([tmp_path])
