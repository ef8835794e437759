"""What a second run of a recipe does again, and what it keeps (see conftest.py)."""

import shutil
from pathlib import Path

import pytest

EXP = "exp/mini/st_train_st_mini_mtla"
PIPELINE = (
    ["make_mini", "prepare_must_c"]
    + ["format_wav_scp"] * 4
    + ["filter_data"] * 2
    + ["tokens"] * 2
    + ["st_train"]
    + ["st_inference"] * 2
    + ["score_st"] * 2
    + ["compare"]
)


def rest(command):
    return PIPELINE[PIPELINE.index(command) :]


@pytest.fixture
def st(work):
    """Speech translation, whose stages were all run before."""
    st = work("must_c/st1")
    assert st() == PIPELINE
    return st


def test_a_rerun_skips_everything(st, capsys):
    capsys.readouterr()
    assert st() == []
    out = capsys.readouterr().out.splitlines()
    assert sum("done already" in line for line in out) == 14
    assert out[-1] == Path("exp/mini/RESULTS.md").read_text()
    # how many processes is no reason to start again
    assert st("--nj", "5", "--ngpu", "2", "--gpu_inference", "false") == []
    # but of seconds that are compared
    assert st("--num_threads", "3") == rest("st_inference")


@pytest.mark.parametrize(
    "options, first",
    [
        (["--num_train", "40"], "make_mini"),
        (["--fs", "8000"], "format_wav_scp"),
        (["--max_wav_duration", "20.5"], "filter_data"),
        (["--nbpe", "60"], "tokens"),
        (["--decoder_args", "temporal_stride=4"], "st_train"),
        (["--st_args", "--max_epoch 9"], "st_train"),
        (["--batch_size", "1"], "st_inference"),
        (["--inference_args", "--beam_size 2"], "st_inference"),
        (["--stage", "12"], "st_inference"),
        (["--stage", "11"], "st_train"),
    ],
)
def test_a_changed_option_reruns_what_depends_on_it(st, options, first):
    tried = ["tokens", "tokens"] if first == "tokens" else []
    assert st(*options) == tried + rest(first)


@pytest.mark.parametrize(
    "file, first",
    [
        ("conf/train_st_mini.yaml", "st_train"),
        ("../../../conf/decoder/mtla.yaml", "st_train"),
        ("conf/decode_st_mini.yaml", "st_inference"),
        (f"{EXP}/valid.acc.ave.pth", "st_inference"),
    ],
)
def test_a_changed_file_reruns_what_depends_on_it(st, file, first):
    with open(file, "a") as f:
        f.write("\ngrad_clip: 3\n")
    assert st() == rest(first)


def test_another_decoder_shares_the_data_and_keeps_the_first_model(st):
    assert st("--decoder", "mha") == rest("st_train")
    assert st() == [] and not st.kept()


def test_a_further_test_set_does_not_train_again(work):
    st = work("must_c/st1")
    st("--test_sets", "tst-HE.en-de")
    shutil.copytree(
        "data/mini/tst-HE.en-de", "data/mini/tst-COMMON.en-de"
    )  # its reader
    scoring = ["score_st", "score_st", "compare"]
    assert st() == ["format_wav_scp", "st_inference", *scoring]


def test_a_lost_output_is_made_again(st):
    shutil.rmtree(next(Path(EXP).glob("decode*/tst-HE.en-de")))
    assert st() == ["st_inference", "score_st", "score_st", "compare"]
    assert "tst-HE" in st.did[0]


def test_data_made_again_as_they_were_are_nothing_to_train_on(st):
    redone = st("--stage", "3", "--stop_stage", "5")
    assert redone == PIPELINE[2 : PIPELINE.index("st_train")]
    assert st() == []


def test_data_that_were_read_again_are_trained_on(st):
    """By another run, which stopped half-way."""
    st("--num_train", "41", "--stage", "1", "--stop_stage", "1")
    assert st("--num_train", "41") == rest("format_wav_scp")
    assert len(st.kept()) == 1


def test_what_lies_beside_the_data_is_no_reason_to_train(st):
    for folder in ("dump/mini/raw/train.en-de", "data/mini/dev.en-de"):
        (Path(folder) / "wav.scp~").write_text("an editor's")
        (Path(folder) / "notes").write_text("mine")
    assert st() == []


def test_what_tells_data_apart_stands_beside_the_default(st):
    st("--local_data_opts", "--splits train")
    assert any("_local_data_optssplits_train " in c for c in st.did)
    assert "st_train" not in st()


def test_a_result_that_is_gone_leaves_the_table(st):
    assert st("--decoder", "mha")[-1] == "compare"
    assert st("--decoder", "mha") == []
    next(Path().glob(f"{EXP}/*/tst-HE*/score_bleu/result.json")).unlink()
    assert st("--decoder", "mha") == ["compare"]
    assert st() == ["score_st", "score_st", "compare"]


def test_another_language_stands_beside_the_first(work, corpus):
    st = work("must_c/st1")
    given = ["--must_c", corpus]
    st(*given, mini=False)
    assert st(*given, "--tgt_lang", "fr", mini=False) == PIPELINE[1:]
    assert st(*given, mini=False) == []


def test_variants_share_one_recogniser(work):
    st, options = work("must_c/st1"), ["--pretrain_asr", "true", "--stop_stage", "11"]
    assert st(*options)[-2:] == ["asr_train", "st_train"]
    assert st(*options, "--decoder", "mha") == ["st_train"]
    assert st(*options, "--seed", "2") == ["asr_train", "st_train"]
    assert st(*options) == []  # beside it, the first are as they were
    assert st(*options, "--stage", "11") == ["st_train"]


def test_other_speeds_redo_what_depends_on_them(work):
    asr, speeds = work("librispeech/asr1"), "--speed_perturb_factors"
    asr()
    made = ["perturb_speed", "format_wav_scp", "filter_data", "tokens"]
    assert asr(speeds, "0.9 1.0", "--stop_stage", "10") == made
    assert asr(speeds, "1.0 1.1", "--stop_stage", "3") == made[:2]


def test_entities_are_another_target_on_the_same_audio(work):
    slu = work("slurp/slu1")
    slu()
    after = ["tokens", "slu_train", "slu_inference", "score_slu", "compare"]
    assert slu("--entities", "true") == after


def test_articles_are_cut_again(work):
    xsum = work("xsum/sum1")
    whole = xsum()
    assert xsum("--decoder", "mha") == whole[whole.index("mt_train") :]
    assert xsum("--max_units", "100") == whole[whole.index("cut_text") :]
    assert xsum("--nbpe", "90") == whole[whole.index("tokens") :]
    lm = ["--use_lm", "true", "--inference_args", "--lm_weight 0.2"]
    xsum(*lm)
    Path("dump/mini/raw/test/text").write_text("a another text\n")
    assert xsum(*lm, "--skip_data_prep", "true", "--stop_stage", "8") == [
        "lm_perplexity"
    ]


LM = ["lm_stats", "lm_stats", "lm_train", "lm_perplexity"]
EVALUATION = ["asr_inference"] * 2 + ["score_asr"] * 2 + ["compare"]


@pytest.fixture
def asr(work):
    return work("librispeech/asr1")


def test_a_language_model_may_come_later_and_decoders_share_it(asr):
    asr()
    assert asr("--use_lm", "true") == [*LM, *EVALUATION]
    assert asr("--use_lm", "true") == []
    with_mha = asr("--use_lm", "true", "--decoder", "mha")
    assert with_mha == ["asr_train", *EVALUATION]


def test_what_depends_on_a_changed_language_model_is_done_again(asr):
    asr("--use_lm", "true")
    with open("../../../conf/mini/train_lm_mini.yaml", "a") as f:
        f.write("grad_clip: 3\n")
    assert asr("--use_lm", "true") == [*LM[2:], *EVALUATION]
    model = "exp/mini/lm_train_lm_mini_bpe_unigram150/valid.loss.ave.pth"
    Path(model).write_text("another")
    assert asr("--use_lm", "true") == [LM[3], *EVALUATION]


def test_a_changed_text_of_it_trains_again_and_keeps_the_old_model(asr, tmp_path):
    more = tmp_path / "more.txt.gz"
    more.write_text("1")
    given = ["--use_lm", "true", "--lm_train_text", str(more), "--stop_stage", "8"]
    asr(*given)
    more.write_text("3")
    assert asr(*given) == LM
    (kept,) = asr.kept()
    assert kept.name.startswith("lm_train_lm_mini_bpe_unigram150_more.txt.gz.")


@pytest.mark.parametrize("mini", [True, False])
@pytest.mark.parametrize(
    "name", ["ami/asr1", "must_c/asr1", "slurp/slu1", "librispeech/asr1"]
)
def test_other_recipes_do_nothing_twice(work, corpus, name, mini):
    """Where a set that validates is tested, and where speech is perturbed, too."""
    options = () if mini else (f"--{name.partition('/')[0]}", corpus)
    recipe = work(name)
    assert recipe(*options, mini=mini) and recipe(*options, mini=mini) == []
