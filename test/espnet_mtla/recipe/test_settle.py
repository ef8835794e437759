"""What follows from a recipe's options, and that nothing need be installed to say it."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.declared import declare
from espnet_mtla.recipe.folders import readable, short_enough, tidy
from espnet_mtla.recipe.settle import settled, variables
from espnet_mtla.stock import STOCK
from espnet_mtla.variant import VARIANTS

ROOT = Path(__file__).resolve().parents[3]
RECIPE = ROOT / "egs2/librispeech/asr1"
LINES = [
    "recipe asr librispeech LibriSpeech",
    "reader --of {train_set}",
    "default train_set train_960 train_clean_100",
    "default valid_set dev dev_clean",
    "default test_sets test_clean",
    "default nbpe 5000 150",
    "default asr_config conf/train_asr_conformer.yaml ../../../conf/mini/train_asr_mini.yaml",
    "default inference_config conf/decode_asr.yaml ../../../conf/mini/decode_asr_mini.yaml",
    "option side text left which side",
]


def names(*argv, started_in="/", environment=None):
    recipe = declare([line.split(None, 4) for line in LINES])
    return settled(recipe, argv, started_in, {"PATH": ""} | (environment or {}))


@pytest.fixture(autouse=True)
def in_the_recipe(monkeypatch):
    monkeypatch.chdir(RECIPE)


def test_names_tell_apart_what_was_given():
    made = names("--mini", "true")
    assert made.experiment == "exp/mini/asr_train_asr_mini_mtla"
    assert made.decoding.endswith("/decode_asr_mini_asr_model_valid.acc.ave")
    assert made.units == {"text": "data/mini/token_list/bpe_unigram150"}
    made = names(
        *("--mini", "true", "--seed", "3", "--nbpe", "90", "--decoder_args", "a=1 b=2"),
        *("--asr_args", "--max_epoch 2", "--train_set", "train_clean_360"),
    )
    name = "asr_train_asr_mini_mtla_a1_b2_max_epoch_2_train_settrain_clean_360_nbpe90_seed3"
    assert made.experiment == f"exp/mini/{name}"


def test_a_score_reads_the_units_of_its_training():
    """Those of another training set lie in a folder of their own."""
    made = names("--mini", "true", "--train_set", "other")
    units = made.units["text"]
    assert units == "data/mini/token_list/bpe_unigram150_train_setother"
    assert made.score_args == ["--bpemodel", f"{units}/bpe.model"]


def test_the_machine_decides_what_is_not_given():
    made = names("--mini", "true", environment={"OMP_NUM_THREADS": "7"})
    assert made.options["num_threads"] == "7"
    assert made.options["ngpu"] == "0"  # no nvidia-smi on this path
    assert made.options["gpu_inference"] == "false"
    made = names("--mini", "true", "--num_threads", "3", "--ngpu", "2")
    assert made.options["gpu_inference"] == "true"
    assert made.several_gpus == ["--multiprocessing_distributed", "true"]


def test_paths_are_of_where_the_user_is_or_of_the_recipe(tmp_path):
    (tmp_path / "corpus").mkdir()
    made = names("--librispeech", "corpus", started_in=str(tmp_path))
    assert made.corpus_dir == str(tmp_path / "corpus")
    given = (
        "--librispeech",
        "/",
        "--asr_config",
        f"{RECIPE}/conf/train_asr_conformer.yaml",
    )
    assert names(*given).options["asr_config"] == "conf/train_asr_conformer.yaml"
    with pytest.raises(
        InputError, match=r"^--librispeech: no such file or folder: gone$"
    ):
        names("--librispeech", "gone", started_in=str(tmp_path))


def test_a_default_of_what_is_no_option_is_refused():
    said = [["recipe", "st", "must_c", "MUSTC"], ["default", "side", "x"]]
    with pytest.raises(
        InputError, match="sets a default for --side, which is no option"
    ):
        declare(said)
    with pytest.raises(InputError, match="no task 'tts'; there are: asr st"):
        declare([["recipe", "tts", "must_c", "MUSTC"]])


def test_a_small_model_of_the_real_corpus():
    made = names("--librispeech", "/", "--size", "mini", "--num_train", "7")
    assert made.experiment == "exp/asr_train_asr_mini_mtla_sizemini"
    assert made.units == {"text": "data/token_list/bpe_unigram150"}
    assert made.options["train_set"] == "train_960"
    assert made.options["lm_config"] == "../../../conf/mini/train_lm_mini.yaml"


def test_long_names_are_cut_and_told_apart(tmp_path):
    long = "--parts train-clean-100 dev-clean dev-other test-clean test-other " * 2
    one, two = (names("--mini", "true", "--local_data_opts", long + x) for x in "12")
    assert one.experiment != two.experiment
    assert "_local_data_optsparts_train-clean-100_dev-clean" in one.experiment
    assert len(Path(one.experiment).name) == len(Path(two.experiment).name) == 120
    folder = tmp_path / ("a" * 130)
    assert len(Path(readable(str(folder))).name) == 120
    folder.mkdir()  # of an earlier version
    assert readable(str(folder)) == str(folder)


SEARCHED = "/decode_asr_mini{}_asr_model_valid.acc.ave{}"


@pytest.mark.parametrize(
    ("given", "others", "end"),
    [
        ("--search espnet", "", "_search_espnet"),
        ("--search=espnet", "", "_search_espnet"),
        ("--beam_size 3 --search espnet", "_beam_size_3", "_search_espnet"),
        ("--search espnet --beam_size 3", "_beam_size_3", "_search_espnet"),
        ("--search fast", "", ""),
        ("--search espnet --search fast", "", ""),
        ("--searches 3", "_searches_3", ""),
    ],
)
def test_another_search_is_the_end_of_a_decoding_s_name(given, others, end):
    made = names("--mini", "true", "--inference_args", given)
    assert made.decoding.endswith(SEARCHED.format(others, end))
    assert made.inference_args == given.split()
    given = ("--inference_args", given, "--inference_tag", "mine")
    assert names("--mini", "true", *given).decoding.endswith("_mtla/mine")


def test_a_name_that_is_cut_ends_with_its_search():
    long = "--x " + "y" * 130
    fast, other = (
        names("--mini", "true", "--inference_args", long + search).decoding
        for search in ("", " --search espnet")
    )
    assert len(Path(fast).name) == 120 and other == f"{fast}_search_espnet"


def test_the_shell_gets_what_its_stages_declare():
    head = (ROOT / "egs2/TEMPLATE/stages.sh").read_text().split("planned()")[0]
    lines = [line for line in head.splitlines() if not line.startswith("#")]
    declared = set(re.findall(r"(\w+)=", "\n".join(lines)))
    made = names("--mini", "true", "--pretrained_asr", "/")
    exported = {name.partition("[")[0] for name, _ in variables(made)}
    assert exported <= declared
    of_pretraining = {"asr_data", "asr_reads"}
    assert declared - of_pretraining <= {
        "opt",
        "task",
        "corpus",
        "redo_from",
        *vars(made),
    }


def test_a_reader_is_told_the_values_of_options():
    made = names("--mini", "true", "--local_data_opts", "--x 1")
    assert made.reader_opts == ["--of", "train_clean_100", "--x", "1"]


def test_the_shell_gets_every_word_as_it_is():
    made = names("--mini", "true", "--asr_args", "--a  'b\n$(c)' *")
    found = dict(variables(made))
    assert [found[f"train_args[{i}]"] for i in range(4)] == ["--a", "'b", "$(c)'", "*"]
    assert found["opt[side]"] == "left" and found["redo_from"] == ""


@pytest.mark.parametrize(
    ("words", "tidied"),
    [
        (["--max_epoch", "3"], "max_epoch_3"),
        (["a=b", "c d/e"], "ab_c_d_e"),
        (["x.y-z_1"], "x.y-z_1"),
    ],
)
def test_words_become_part_of_a_name(words, tidied):
    assert tidy(*words) == tidied


def test_other_letters_are_told_apart():
    one, two, lines = tidy("\u00e91"), tidy("\u00fc1"), tidy("a\nb")
    assert re.fullmatch(r"_1-[0-9a-f]{6}", one) and one != two and "\n" not in lines


def test_a_name_counts_in_bytes():
    short_enough("exp/" + "a" * 230, "st_tag")
    with pytest.raises(InputError, match="232 bytes: .* with --st_tag"):
        short_enough("exp/" + "ü" * 116, "st_tag")


def test_needs_nothing_that_is_installed():
    """Of the standard library alone, and of Python 3.9's words."""
    command = [sys.executable, "-S", "-m", "espnet_mtla.recipe.settle"]
    command += ["/", "recipe\x1fasr\x1flibrispeech\x1fLibriSpeech", "--", "--help"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: run.sh --mini true | --librispeech PATH")
    for path in [
        *(ROOT / "espnet_mtla/recipe").glob("*.py"),
        ROOT / "espnet_mtla/nearest.py",
        ROOT / "espnet_mtla/task.py",
    ]:
        ast.parse(path.read_text(), feature_version=(3, 9))


RECIPE_LINE = ["recipe", "asr", "ami", "ami"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "does not begin with 'recipe TASK CORPUS FOLDER'"),
        ([["default", "nbpe", "3"]], "does not begin with 'recipe"),
        ([["recipe", "asr", "ami"]], "'recipe asr ami': TASK CORPUS FOLDER"),
        ([["recipe", "ars", "ami", "x"]], r"no task 'ars' \(did you mean 'asr'\?\)"),
        ([RECIPE_LINE, ["default", "nbpe"]], r"'default nbpe': NAME VALUE \[SMALL\]"),
        ([RECIPE_LINE, ["default", "nbpe", *"123"]], "NAME VALUE"),
        ([RECIPE_LINE, ["units"]], "'units ': FOLDER"),
        ([RECIPE_LINE, ["option", "x", "strin", "a", "b"]], "--x: no kind 'strin'"),
    ],
)
def test_a_recipe_s_mistakes_are_its_lines(lines, said):
    with pytest.raises(InputError, match=said):
        declare(lines)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("default nbpe fourty", "--nbpe is .* not 'fourty' .this recipe's default"),
        ("default bpemode unigrm", "--bpemode is unigram or bpe or char, not 'unigrm'"),
        ("default train_set ''", "--train_set: give one, this recipe has no default"),
        ("reader --x {tgt_lng}", "names an option in braces that is none, 'tgt_lng'"),
    ],
)
def test_a_recipe_s_defaults_are_checked(line, said):
    lines = [each.split(None, 4) for each in LINES]
    recipe = declare([*lines, shlex.split(line)])
    with pytest.raises(InputError, match=said):
        settled(recipe, ["--librispeech", "/"], "/", {"PATH": ""})


def test_each_decoder_has_its_configuration():
    there = {path.stem for path in (ROOT / "conf/decoder").glob("*.yaml")}
    assert there == {*VARIANTS, *STOCK}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--expdir", ""], "--expdir: name a folder"),
        (["--asr_tag", "../x"], "--asr_tag ../x: a name has no /"),
    ],
)
def test_folders_have_names(given, said):
    with pytest.raises(InputError, match=said):
        names("--mini", "true", *given)


def test_braces_of_a_user_are_letters():
    made = names("--mini", "true", "--datadir", "{nbpe}/{datadir}")
    assert made.units == {"text": "{nbpe}/{datadir}/token_list/bpe_unigram150"}
