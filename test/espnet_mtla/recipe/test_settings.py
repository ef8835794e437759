"""What the options of real recipes are refused for, before any work."""

import shlex
import shutil
from pathlib import Path

import pytest

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.declared import declare
from espnet_mtla.recipe.settle import settled

ROOT = Path(__file__).resolve().parents[3]
MINI = ("--mini", "true")
ASR, LM = "librispeech/asr1", ("--use_lm", "true")


@pytest.fixture
def names(tmp_path, monkeypatch):
    """A function of a recipe's name and options: what follows from what its run.sh says."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")

    def names(name, *options):
        here = tmp_path / "egs2" / name
        if not here.exists():
            shutil.copytree(
                ROOT / "egs2" / name / "conf", here / "conf", dirs_exist_ok=True
            )
        monkeypatch.chdir(here)
        lines = (ROOT / "egs2" / name / "run.sh").read_text().splitlines()
        words = ("recipe ", "option ", "default ", "reader ", "units ", "paper ")
        recipe = declare(
            [shlex.split(line) for line in lines if line.startswith(words)]
        )
        return settled(recipe, options, "/", {"PATH": ""})

    return names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((*MINI, "--test_sets", " "), "--test_sets: name at least one"),
        (
            (),
            (
                "which corpus? give --mini true for a small synthetic one, or --must_c"
                " PATH for the real one"
            ),
        ),
        ((*MINI, "--must_c", "."), "give either --mini true or --must_c, not both"),
        (("--must_c", "/no/such"), "--must_c: no such file or folder: /no/such"),
        (
            (*MINI, "--decoder", "mlta"),
            "no decoder 'mlta' (did you mean 'mtla'?); there are: gqa mha mla mqa mtla transformer",
        ),
        ((*MINI, "--audio_format", "mp3"), "--audio_format is flac or wav, not 'mp3'"),
        (
            (*MINI, "--feats_normalize", "global_mvn"),
            "--feats_normalize is utterance_mvn or none, not 'global_mvn'",
        ),
        ((*MINI, "--tgt_lang", "fr"), "--tgt_lang fr: the mini corpus has de alone"),
        ((*MINI, "--python", "no_python"), "--python: cannot run no_python"),
        ((*MINI, "--python", "/no/python"), "--python: cannot run /no/python"),
        (
            (*MINI, "--decoder_args", "temporal_stride 4"),
            "--decoder_args: 'temporal_stride' is not name=value",
        ),
        (
            (*MINI, "--st_config", "conf/no.yaml"),
            "--st_config: no such file or folder: conf/no.yaml",
        ),
        (
            (*MINI, "--stage", "14"),
            "nothing to do: --stage 14 comes after --stop_stage 13",
        ),
        (
            (*MINI, "--speed_perturb_factors", "0.9 fast"),
            "--speed_perturb_factors: 'fast' is not a number",
        ),
        (
            (*MINI, "--pretrain_asr", "true", "--pretrained_asr", "/"),
            "give either --pretrain_asr true or --pretrained_asr, not both",
        ),
        (
            (*MINI, "--pretrain_asr", "true", "--asr_config", ""),
            "--pretrain_asr true: give --asr_config too",
        ),
        *(
            (
                (*MINI, f"--{option}", "1" * 240),
                (
                    f"a folder's name would have {size} bytes: give it a shorter one"
                    f" with --{option}"
                ),
            )
            for option, size in (("st_tag", 243), ("inference_tag", 240))
        ),
    ],
)
def test_what_cannot_work_is_refused(names, options, message):
    with pytest.raises(InputError) as refused:
        names("must_c/st1", *options)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("must_c/asr1", "pretrain_asr"),
        *(
            ("xsum/sum1", option)
            for option in ("pretrained_asr", "fs", "speed_perturb_factors")
        ),
        ("xsum/sum1", "feats_normalize"),
        ("librispeech/asr1", "tgt_lang"),
        ("librispeech/asr1", "entities"),
        ("must_c/st1", "max_units"),
    ],
)
def test_an_option_of_another_task_is_none(names, name, option):
    with pytest.raises(InputError, match=f"^unknown option --{option}"):
        names(name, *MINI, f"--{option}", "1")


def test_a_long_option_leaves_names_short_enough(names):
    made = names("must_c/st1", *MINI, "--st_args", f"--optim_conf lr={'1' * 230}")
    assert len(Path(made.experiment).name) == 120


def test_a_language_model_without_weight_is_refused(names):
    refusal = (
        "--use_lm true, but decoding gives it no weight:"
        ' add --inference_args "--lm_weight 0.3"'
    )
    names(ASR, *MINI, *LM)
    config = Path("../../../conf/mini/decode_asr_mini.yaml")

    def refused(*options):
        with pytest.raises(InputError) as said:
            names(ASR, *MINI, *LM, *options)
        return str(said.value)

    config.write_text("beam_size: 5\nlm_weight: 0.0  # none\n")
    assert refused() == refusal
    names(ASR, *MINI, *LM, "--stop_stage", "8")
    names(ASR, *MINI, *LM, "--inference_args", "--beam_size 3 --lm_weight 0.25")
    names(ASR, *MINI)
    config.write_text("lm_weight: 0.5\n")
    assert refused("--inference_args", "--lm_weight=0") == refusal
