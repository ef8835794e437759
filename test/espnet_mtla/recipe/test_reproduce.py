"""Which recipes reproduce.sh runs, in which order, and what it refuses."""

import shutil
import subprocess
from pathlib import Path

import pytest

from espnet_mtla.errors import InputError
from espnet_mtla.recipe import reproduce
from espnet_mtla.recipe.process import Stopped
from espnet_mtla.recipe.reproduce import Reproduction, main

ROOT = Path(__file__).resolve().parents[3]
RECIPES = ("ami/asr1", "librispeech/asr1", "must_c/asr1", "must_c/st1")
RECIPES += ("slurp/slu1", "xsum/sum1")
PAPERS = ("must_c/st1", "xsum/sum1", "ami/asr1", "slurp/slu1")
VARIANTS = ["mha", "mqa", "gqa", "mla", "mtla"]
VARIANTS += [f"mtla --decoder_args temporal_stride={s}" for s in (3, 4)]
VARIANTS += ["transformer"]
MINI = ("--mini", "true")


class Runs:
    """Of recipes that do nothing but make their table."""

    def __init__(self, commands, capfd):
        self.commands, self.capfd = commands, capfd
        self.egs2 = Path.cwd() / "clone/egs2"
        for name in RECIPES:
            (self.egs2 / name).mkdir(parents=True)
            (self.egs2 / name / "run.sh").touch()
        shutil.copytree(ROOT / "conf/decoder", self.egs2.parent / "conf/decoder")
        self.fails = self.refuses = lambda call: 0
        commands.does = self.does

    def does(self, log, run, *words):
        if run.endswith("/tools/install.sh"):
            return 0
        name = Path(run).relative_to(self.egs2).parent.as_posix()
        call = f"{name} {' '.join(words)}"
        dry = call.endswith(" --dry_run true")
        # what it prints is shown, but for the check; it ends its processes itself
        assert self.commands.stdout == (subprocess.DEVNULL if dry else None)
        assert not self.commands.whole
        if dry:
            self.checked.append(call)
            return self.refuses(call)
        self.calls.append(call)
        status = self.fails(call)
        exp = "exp/mini" if "--mini true" in call else "exp"
        if not status:
            table = Path(run).parent / exp / "RESULTS.md"
            table.parent.mkdir(parents=True, exist_ok=True)
            table.write_text(f"table of {name}\n")
        return status

    def __call__(self, *options):
        """The lines that were printed."""
        self.calls, self.checked = [], []
        Reproduction(self.egs2, options).run()
        return self.printed()

    def printed(self):
        return self.capfd.readouterr().out.splitlines()


@pytest.fixture
def runs(commands, capfd, monkeypatch):
    monkeypatch.setattr(reproduce, "heed_signals", lambda: None)
    return Runs(commands, capfd)


@pytest.fixture
def corpora(tmp_path):
    """A file with the paper's four corpora, with a space in each path."""
    lines = ["# where they are", ""]
    for name in ("must_c", "xsum", "ami", "slurp"):
        folder = tmp_path / f"the disk/{name}"
        folder.mkdir(parents=True)
        lines.append(f"{name}  {folder} ")
    file = tmp_path / "corpora.txt"
    file.write_text("\r\n".join(lines))
    return str(file)


def test_every_variant_of_the_papers_recipes(runs):
    out = runs(*MINI)
    expected = [
        f"{name} --mini true --decoder {variant} --seed 1"
        for name in PAPERS
        for variant in VARIANTS
    ]
    assert runs.calls == expected
    assert runs.checked == [f"{call} --dry_run true" for call in expected]
    assert out[-8:] == [
        line
        for name in PAPERS
        for line in (
            f"== {name}: {runs.egs2}/{name}/exp/mini/RESULTS.md",
            f"table of {name}",
        )
    ]


def test_what_a_run_refuses_is_refused_before_the_first(runs):
    runs.refuses = lambda call: "xsum" in call and "mqa" in call
    with pytest.raises(InputError, match="^xsum/sum1 mqa: refused; nothing was run$"):
        runs(*MINI)
    assert runs.calls == [] and runs.printed() == []


def test_the_real_corpora_as_the_paper_s(runs, corpora, tmp_path):
    out = runs("--corpora", corpora)
    assert runs.calls[:: len(VARIANTS)] == [
        f"{name} --paper true --{corpus} {tmp_path}/the disk/{corpus} --decoder mha --seed 1"
        for name in PAPERS
        for corpus in [name.partition("/")[0]]
    ]
    assert out[-2] == f"== slurp/slu1: {runs.egs2}/slurp/slu1/exp/RESULTS.md"


def test_corpora_may_stand_behind_tabs(runs, tmp_path):
    Path("corpora.txt").write_text(f"xsum\t{tmp_path}\n")
    runs("--corpora", "corpora.txt", "--recipes", "xsum/sum1", "--decoders", "mha")
    call = f"xsum/sum1 --paper true --xsum {tmp_path} --decoder mha --seed 1"
    assert runs.calls == [call]


def test_a_choice_with_options_for_every_run(runs):
    names = ("librispeech/asr1", "must_c/asr1")
    options = ("--recipes", " ".join(names), "--run_args", "--ngpu 0")
    decoders = "mla:q_lora_rank=64,kv_lora_rank=128 mha:context=cross"
    out = runs(*MINI, *options, "--decoders", decoders)
    variants = ("mla --decoder_args q_lora_rank=64 kv_lora_rank=128",)
    variants += ("mha --decoder_args context=cross",)
    assert runs.calls == [
        f"{name} --mini true --decoder {variant} --seed 1 --ngpu 0"
        for name in names
        for variant in variants
    ]
    assert out[0] == "== librispeech/asr1 mla:q_lora_rank=64,kv_lora_rank=128, seed 1"


def test_every_decoder_with_one_seed_before_the_next(runs):
    options = ("--recipes", "xsum/sum1", "--decoders", "mla mha", "--seeds", "3 1")
    runs(*MINI, *options)
    assert runs.calls == [
        f"xsum/sum1 --mini true --decoder {decoder} --seed {seed}"
        for seed in (3, 1)
        for decoder in ("mla", "mha")
    ]


def test_what_fails_is_named_and_the_others_go_on(runs):
    options = ("--recipes", "xsum/sum1 slurp/slu1 must_c/st1")
    options += ("--decoders", "mha mqa mla")
    runs.fails = lambda call: (
        -9 if "slurp" in call else 3 if "xsum" in call and "mha" not in call else 0
    )
    with pytest.raises(InputError) as failed:
        runs(*MINI, *options)
    assert len(runs.calls) == 9
    assert str(failed.value) == (
        "failed: xsum/sum1 mqa, seed 1; xsum/sum1 mla, seed 1;"
        " slurp/slu1 mha, seed 1; slurp/slu1 mqa, seed 1; slurp/slu1 mla, seed 1;"
        " the same command tries them again"
    )
    # tables of what there is all the same
    older = "failed now, its row is of an earlier run, if it has one: "
    out = [line for line in runs.printed() if line[:2] != "=="]
    assert out == [
        *(f"{older}{name}, seed 1" for name in ("mqa", "mla")),
        "table of xsum/sum1",
        *(f"{older}{name}, seed 1" for name in ("mha", "mqa", "mla")),
        "no table yet",
        "table of must_c/st1",
    ]
    runs.fails = lambda call: 0
    runs(*MINI, *options)


@pytest.mark.parametrize(
    ("number", "options", "but"),
    [
        (2, (), ""),
        (15, ("--run_args", "--stage=12"), ", and does --stage again"),
        (15, ("--run_args", "--nj 2 --stage 12"), ", and does --stage again"),
    ],
)
def test_an_interrupted_one_says_how_to_go_on(runs, number, options, but):
    def stopped(call):
        raise Stopped(number)

    runs.fails, runs.calls, runs.checked = stopped, [], []
    with pytest.raises(SystemExit) as ended:
        main([str(runs.egs2), *MINI, *options])
    assert ended.value.code == {2: 130, 15: 143}[number] and len(runs.calls) == 1
    said = f"reproduce.sh: interrupted; the same command goes on{but}\n"
    assert runs.capfd.readouterr().err == said


def test_help_says_its_options(runs):
    main([str(runs.egs2), "--help"])
    usage, *options = runs.printed()
    assert (
        usage == "Usage: reproduce.sh --mini true | --corpora FILE [--name value ...]"
    )
    names = ["--mini", "--corpora", "--recipes", "--decoders", "--seeds", "--run_args"]
    assert [line.split()[0] for line in options] == names
    assert runs.commands.calls == []
