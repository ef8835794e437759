"""What a run does again after another one: what changed, and all that depends on it.

A unit is done again when its key is another, or what it reads; that it is:
test/espnet_mtla/recipe/test_unit.py.
"""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXP = "exp/mini/st_train_st_mini_mtla"
ST = (
    ["make_mini", "prepare_must_c"]
    + ["format_wav_scp"] * 4
    + ["filter_data"] * 2
    + ["tokens"] * 2
    + ["st_train"]
    + ["st_inference"] * 2
    + ["score_st"] * 2
    + ["compare"]
)
LM = ["lm_stats", "lm_stats", "lm_train", "lm_perplexity"]
EVALUATION = ["asr_inference"] * 2 + ["score_asr"] * 2 + ["compare"]
PERTURBED = ["perturb_speed", "format_wav_scp", "filter_data", "tokens", "asr_train"]
PERTURBED += EVALUATION
XSUM = ["tokens", *["cut_text"] * 3, "mt_train", "mt_inference", "score_sum", "compare"]
PRETRAIN, USE_LM = ["--pretrain_asr", "true"], ["--use_lm", "true"]
SPEED = "--speed_perturb_factors"


def rest(command):
    return ST[ST.index(command) :]


@pytest.fixture
def again(plan, monkeypatch):
    """The commands of a recipe's second run, after a first; in a folder with configurations."""

    def again(name, first, second):
        monkeypatch.chdir(ROOT / "egs2" / name)
        return plan(name, *second).commands_after(plan(name, *first))

    return again


@pytest.mark.parametrize(
    ("options", "commands"),
    [
        ([], []),
        (["--nj", "5", "--ngpu", "2", "--gpu_inference", "false"], []),
        (
            ["--num_threads", "3"],
            rest("st_inference"),
        ),  # but of seconds that are compared
        (["--num_train", "40"], ST),
        (["--fs", "8000"], rest("format_wav_scp")),
        (["--max_wav_duration", "20.5"], rest("filter_data")),
        (["--nbpe", "60"], rest("tokens")),
        (["--decoder", "mha"], rest("st_train")),
        (["--decoder", "transformer"], rest("st_train")),
        (["--decoder_args", "temporal_stride=4"], rest("st_train")),
        (["--st_args", "--max_epoch 9"], rest("st_train")),
        (["--batch_size", "1"], rest("st_inference")),
        (["--inference_args", "--beam_size 2"], rest("st_inference")),
        (["--inference_args", "--search espnet"], rest("st_inference")),
        (["--st_config", "conf/../conf/train_st_mini.yaml"], []),
    ],
)
def test_a_changed_option_reruns_what_depends_on_it(again, options, commands):
    assert again("must_c/st1", [], options) == commands


@pytest.mark.parametrize(
    ("name", "first", "second", "commands"),
    [
        ("must_c/st1", PRETRAIN, [*PRETRAIN, "--decoder", "mha"], rest("st_train")),
        (
            "must_c/st1",
            PRETRAIN,
            [*PRETRAIN, "--seed", "2"],
            ["asr_train", *rest("st_train")],
        ),
        ("librispeech/asr1", [], [SPEED, "0.9 1.0"], PERTURBED),
        ("librispeech/asr1", [SPEED, "0.9 1.0"], [SPEED, "1.0 1.1"], PERTURBED),
        ("librispeech/asr1", [], USE_LM, [*LM, *EVALUATION]),
        (
            "librispeech/asr1",
            USE_LM,
            [*USE_LM, "--decoder", "mha"],
            ["asr_train", *EVALUATION],
        ),
        (
            *("slurp/slu1", [], ["--entities", "true"]),
            ["tokens", "slu_train", "slu_inference", "score_slu", "compare"],
        ),
        (
            *("must_c/st1", ["--test_sets", "tst-HE.en-de"], []),
            ["format_wav_scp", "st_inference", "score_st", "score_st", "compare"],
        ),
        ("xsum/sum1", [], ["--decoder", "mha"], XSUM[4:]),
        ("xsum/sum1", [], ["--max_units", "100"], XSUM[1:]),
        ("xsum/sum1", [], ["--nbpe", "90"], XSUM),
    ],
)
def test_what_is_shared_is_not_done_again(again, name, first, second, commands):
    assert again(name, first, second) == commands


@pytest.mark.parametrize(
    ("name", "options", "file", "commands"),
    [
        ("must_c/st1", [], "conf/train_st_mini.yaml", rest("st_train")),
        ("must_c/st1", [], "../../../conf/decoder/mtla.yaml", rest("st_train")),
        ("must_c/st1", [], "conf/decode_st_mini.yaml", rest("st_inference")),
        ("must_c/st1", [], f"{EXP}/valid.acc.ave.pth", rest("st_inference")),
        (
            "must_c/st1",
            [],
            "data/mini/train.en-de",
            rest("format_wav_scp")[:1] + rest("filter_data")[1:],
        ),
        (
            *("librispeech/asr1", USE_LM, "../../../conf/mini/train_lm_mini.yaml"),
            [*LM[2:], *EVALUATION],
        ),
        (
            *("librispeech/asr1", USE_LM),
            "exp/mini/lm_train_lm_mini_bpe_unigram150/valid.loss.ave.pth",
            [LM[3], *EVALUATION],
        ),
        (
            "librispeech/asr1",
            USE_LM,
            "data/mini/train_clean_100/text",
            [*LM, *EVALUATION],
        ),
    ],
)
def test_a_changed_file_reruns_what_depends_on_it(plan, name, options, file, commands):
    planned = plan(name, *options)
    changed = [
        unit
        for unit in planned.units
        if file in unit.reads or (unit.trains and file in unit.commands[0])
    ]
    assert planned.commands_from(changed) == commands


@pytest.mark.parametrize(
    "options",
    [
        ["--tgt_lang", "fr"],
        ["--decoder", "mha"],
        ["--seed", "2"],
        ["--local_data_opts", "--splits train"],
    ],
)
def test_what_is_trained_otherwise_stands_beside(plan, corpus, options):
    """The first one's models are still there."""
    ours = plan("must_c/st1", "--must_c", corpus, mini=False)
    theirs = plan("must_c/st1", "--must_c", corpus, *options, mini=False)
    for of in ("11", "12.tst-HE.en-"):
        first, second = (
            {name for u in p.units if u.name.startswith(of) for name in u.makes}
            for p in (ours, theirs)
        )
        assert first and second and first.isdisjoint(second)


def test_another_language_shares_nothing_but_the_corpus(plan, corpus):
    ours = plan("must_c/st1", "--must_c", corpus, mini=False)
    theirs = plan("must_c/st1", "--must_c", corpus, "--tgt_lang", "fr", mini=False)
    logs = {str(unit.log) for unit in ours.units} & {str(u.log) for u in theirs.units}
    assert logs == {"exp/logs/stage_13.table.log"}
