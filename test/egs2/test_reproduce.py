"""egs2/reproduce.sh: which recipes it runs, in which order, and what it refuses."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DECODERS = sorted(path.stem for path in (ROOT / "conf/decoder").glob("*.yaml"))

FAKE_RUN = r"""#!/usr/bin/env bash
here=$(cd "$(dirname "$0")" && pwd)
name=${here#*/egs2/}
if [[ "$*" == *"--dry_run true" ]]; then exit "${REFUSED-0}"; fi
echo "$name $*" >>"$CALLS"
if [[ -e $FAULT ]]; then . "$FAULT"; fi
exp=exp
if [[ "$*" == *"--mini true"* ]]; then exp=exp/mini; fi
mkdir -p "$here/$exp" && echo "table of $name" >"$here/$exp/RESULTS.md"
"""
RECIPES = ("ami/asr1", "librispeech/asr1", "must_c/asr1", "must_c/st1")
RECIPES += ("slurp/slu1", "xsum/sum1")
VARIANTS = ["mha", "mqa", "gqa", "mla", "mtla"]
VARIANTS += [f"mtla --decoder_args temporal_stride={s}" for s in (3, 4)]


class Reproduce:
    def __init__(self, tmp):
        self.egs2 = tmp / "clone/egs2"
        (self.egs2 / "TEMPLATE").mkdir(parents=True)
        shutil.copy(ROOT / "egs2/TEMPLATE/python.sh", self.egs2 / "TEMPLATE")
        (self.egs2.parent / "espnet_mtla").symlink_to(ROOT / "espnet_mtla")
        shutil.copy(ROOT / "egs2/reproduce.sh", self.egs2)
        for name in RECIPES:
            run = self.egs2 / name / "run.sh"
            run.parent.mkdir(parents=True)
            run.write_text(FAKE_RUN)
            run.chmod(0o755)
        shutil.copytree(ROOT / "conf/decoder", self.egs2.parent / "conf/decoder")
        self.fault, self.calls_file = tmp / "fault", tmp / "calls"
        self.env = {**os.environ, "CALLS": str(self.calls_file)}
        self.env["FAULT"] = str(self.fault)

    def start(self, *options, **how):
        self.calls_file.write_text("")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [self.egs2 / "reproduce.sh", *options]
        return subprocess.Popen(command, env=self.env, text=True, **pipes, **how)

    def run(self, *options, **how):
        process = self.start(*options, **how)
        out, err = process.communicate(timeout=300)
        return process.returncode, out.splitlines(), err

    def refused(self, *options, **how):
        """The one line with which these options are refused, before any run."""
        code, out, err = self.run(*options, **how)
        assert code == 1 and out == [] and self.calls == []
        (line,) = err.splitlines()
        return line.removeprefix("reproduce.sh: ")

    @property
    def calls(self):
        return self.calls_file.read_text().splitlines()


@pytest.fixture
def reproduce(tmp_path):
    return Reproduce(tmp_path)


@pytest.fixture
def corpora(tmp_path):
    """A file with the paper's four corpora, one with a space in its path."""
    lines = ["# where they are", ""]
    for name in ("must_c", "xsum", "ami", "slurp"):
        folder = tmp_path / f"the disk/{name}"
        folder.mkdir(parents=True)
        lines.append(f"{name}  {folder} ")
    file = tmp_path / "corpora.txt"
    file.write_text("\r\n".join(lines))
    return file


def test_every_variant_of_the_papers_recipes(reproduce):
    code, out, err = reproduce.run("--mini", "true")
    assert (code, err) == (0, "")
    names = ["must_c/st1", "xsum/sum1", "ami/asr1", "slurp/slu1"]
    assert reproduce.calls == [
        f"{name} --mini true --decoder {variant} --seed 1"
        for name in names
        for variant in VARIANTS
    ]
    tables = [
        line
        for name in names
        for line in (
            f"== {name}: {reproduce.egs2}/{name}/exp/mini/RESULTS.md",
            f"table of {name}",
        )
    ]
    assert out[-8:] == tables


def test_what_a_run_refuses_is_refused_before_the_first(reproduce):
    reproduce.env["REFUSED"] = "1"
    assert reproduce.refused("--mini", "true") == (
        "must_c/st1 mha: refused; nothing was run"
    )


def test_the_real_corpora_as_the_paper_s(reproduce, corpora, tmp_path):
    code, out, _ = reproduce.run("--corpora", "corpora.txt", cwd=tmp_path)
    assert code == 0
    firsts = reproduce.calls[:: len(VARIANTS)]
    disk = tmp_path / "the disk"
    assert firsts == [
        f"must_c/st1 --paper true --must_c {disk}/must_c --decoder mha --seed 1",
        f"xsum/sum1 --paper true --xsum {disk}/xsum --decoder mha --seed 1",
        f"ami/asr1 --paper true --ami {disk}/ami --decoder mha --seed 1",
        f"slurp/slu1 --paper true --slurp {disk}/slurp --decoder mha --seed 1",
    ]
    assert out[-2] == f"== slurp/slu1: {reproduce.egs2}/slurp/slu1/exp/RESULTS.md"


def test_a_choice_with_options_for_every_run(reproduce):
    options = ["--recipes", "librispeech/asr1 must_c/asr1", "--run_args", "--ngpu 0"]
    decoders = "mla:q_lora_rank=64,kv_lora_rank=128 mha:context=cross"
    code, out, _ = reproduce.run("--mini", "true", *options, "--decoders", decoders)
    assert code == 0
    variants = ["mla --decoder_args q_lora_rank=64 kv_lora_rank=128"]
    variants += ["mha --decoder_args context=cross"]
    assert reproduce.calls == [
        f"{name} --mini true --decoder {variant} --seed 1 --ngpu 0"
        for name in ("librispeech/asr1", "must_c/asr1")
        for variant in variants
    ]
    assert out[0] == "== librispeech/asr1 mla:q_lora_rank=64,kv_lora_rank=128, seed 1"


def test_every_decoder_with_one_seed_before_the_next(reproduce):
    options = ["--recipes", "xsum/sum1", "--decoders", "mla mha", "--seeds", "3 1"]
    assert reproduce.run("--mini", "true", *options)[0] == 0
    assert reproduce.calls == [
        f"xsum/sum1 --mini true --decoder {decoder} --seed {seed}"
        for seed in (3, 1)
        for decoder in ("mla", "mha")
    ]


def test_what_fails_is_named_and_the_others_go_on(reproduce):
    reproduce.fault.write_text(
        '[[ "$name $*" != *xsum*"--decoder m"[lq]a* ]] || { echo run.sh: no >&2; exit 3; }\n'
        '[[ "$name" != slurp* ]] || kill -KILL $$'
    )
    options = ["--recipes", "xsum/sum1 slurp/slu1 must_c/st1"]
    code, out, err = reproduce.run(
        "--mini", "true", *options, "--decoders", "mha mqa mla"
    )
    assert code == 1 and len(reproduce.calls) == 9
    assert err.splitlines()[-1] == (
        "reproduce.sh: failed: xsum/sum1 mqa, seed 1; xsum/sum1 mla, seed 1;"
        " slurp/slu1 mha, seed 1; slurp/slu1 mqa, seed 1; slurp/slu1 mla, seed 1;"
        " the same command tries them again"
    )
    # tables of what there is all the same
    assert [line for line in out if line.startswith("table")] == [
        "table of xsum/sum1",
        "table of must_c/st1",
    ]
    older = "failed now, its row is of an earlier run, if it has one: "
    assert [line for line in out if line.startswith(older)] == [
        f"{older}{name}, seed 1" for name in ("mqa", "mla", "mha", "mqa", "mla")
    ]
    reproduce.fault.unlink()
    assert reproduce.run("--mini", "true", *options)[0] == 0


@pytest.mark.parametrize(
    ("number", "options", "but"),
    [
        (signal.SIGINT, [], ""),
        (signal.SIGTERM, ["--run_args", "--stage=12"], ", and does --stage again"),
    ],
)
def test_an_interrupt_reaches_the_recipe_and_ends_all(
    reproduce, tmp_path, number, options, but
):
    began, ended = tmp_path / "began", tmp_path / "ended"
    reproduce.fault.write_text(
        f"trap 'touch {ended}; exit 143' TERM; touch {began}; while :; do sleep 0.05; done"
    )
    process = reproduce.start("--mini", "true", *options)
    until = time.monotonic() + 20
    while not began.exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert err == f"reproduce.sh: interrupted; the same command goes on{but}\n"
    assert ended.exists() and len(reproduce.calls) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            [],
            (
                "which corpora? give --mini true for small synthetic ones,"
                " or --corpora FILE for the real ones"
            ),
        ),
        (
            ["--mini", "true", "--corpora", "x"],
            "give either --mini true or --corpora, not both",
        ),
        (["--corpora", "gone.txt"], "--corpora: no such file: gone.txt"),
        (
            ["--mini", "true", "--recipes", "must_c/st"],
            (
                "--recipes: no recipe 'must_c/st' (did you mean 'must_c/st1'?); there are:"
                f" {' '.join(RECIPES)}"
            ),
        ),
        (
            ["--mini", "true", "--decoders", "mha mtlas:temporal_stride=3"],
            (
                "--decoders: no decoder 'mtlas' (did you mean 'mtla'?); there are:"
                f" {' '.join(DECODERS)}"
            ),
        ),
        (
            ["--mini", "true", "--recipes", " "],
            "--recipes, --decoders and --seeds: name at least one",
        ),
        (
            ["--mini", "true", "--seeds", "1 two"],
            "--seeds: 'two' is no whole number",
        ),
        (
            ["--mini", "true", "--run_args", "--seed 2"],
            "--run_args: give --seeds in the place of --seed",
        ),
        *(
            (
                ["--mini", "true", "--run_args", f"--{name} x"],
                f"--run_args: leave out --{name}: reproduce.sh gives it itself",
            )
            for name in ("decoder", "decoder_args", "mini", "xsum", "st_tag")
        ),
        *(
            (
                ["--mini", "true", "--run_args", f"--nj 2 --expdir{how} /x"],
                "--run_args: leave out --expdir: tables are looked for in the recipes' exp",
            )
            for how in (" ", "=")
        ),
        (
            ["--mini", "true", "--recipe", "x"],
            "unknown option --recipe: did you mean --recipes? see --help",
        ),
    ],
)
def test_what_cannot_work_is_refused(reproduce, tmp_path, options, message):
    assert reproduce.refused(*options, cwd=tmp_path) == message


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["# mine", "must_c"],
            "corpora.txt:2: 'must_c' has no path: write \"name path\"",
        ),
        (
            ["mustc {tmp}"],
            (
                "corpora.txt:1: no corpus 'mustc' (did you mean 'must_c'?); there are:"
                " ami librispeech must_c slurp xsum"
            ),
        ),
        (
            ["must_c {tmp}", "", "must_c {tmp}"],
            "corpora.txt:3: must_c occurs a second time",
        ),
        (["must_c /no/such"], "corpora.txt:1: no such file or folder: /no/such"),
        (
            ["must_c {tmp}"],
            "--corpora: corpora.txt has no line for xsum, which xsum/sum1 needs",
        ),
    ],
)
def test_a_line_of_corpora_that_is_wrong_is_named(reproduce, tmp_path, lines, message):
    text = "\n".join(lines).format(tmp=tmp_path)
    (tmp_path / "corpora.txt").write_text(text)
    assert reproduce.refused("--corpora", "corpora.txt", cwd=tmp_path) == message


def test_help_says_its_options(reproduce):
    code, out, _ = reproduce.run("--help")
    assert code == 0 and reproduce.calls == []
    assert out[0] == (
        "Usage: reproduce.sh --mini true | --corpora FILE [--name value ...]"
    )
    assert [line.split()[0] for line in out[1:]] == (
        ["--mini", "--corpora", "--recipes", "--decoders", "--seeds", "--run_args"]
    )


def test_with_the_real_driver_it_goes_on_where_it_was(recipe):
    """What was trained, decoded and scored before is not done again."""
    shutil.copy(ROOT / "egs2/reproduce.sh", recipe.root / "egs2")
    command = [recipe.root / "egs2/reproduce.sh", "--mini", "true"]
    command += ["--recipes", "must_c/st1", "--decoders", "mha mtla:temporal_stride=3"]
    command += ["--run_args", f"--python {recipe.python} --ngpu 0"]

    def run():
        recipe.calls_file.write_text("")
        how = {"capture_output": True, "text": True, "timeout": 60}
        return subprocess.run(command, env=recipe.env, check=False, **how)

    fault = recipe.faults / "st_train"
    fault.write_text('[[ "$*" != *stride* ]] || { echo error: no; exit 1; }')
    done = run()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "reproduce.sh: failed: must_c/st1 mtla:temporal_stride=3, seed 1; "
    )
    assert done.stdout.splitlines()[-1] == "|model|BLEU|"  # MHA's
    fault.unlink()
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert recipe.commands == ["st_train", "st_inference", "st_inference"] + [
        "score_st",
        "score_st",
        "compare",
    ]
    assert "temporal_stride=3" in recipe.call("st_train")
    assert run().returncode == 0 and recipe.calls == []


def test_modules_of_where_the_user_is_are_not_read(reproduce, tmp_path):
    for name in ("dataclasses", "select", "espnet_mtla"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('another')")
    code, out, err = reproduce.run("--help", cwd=tmp_path)
    assert (code, err) == (0, "") and out[0].startswith("Usage: reproduce.sh")


def test_corpora_may_stand_behind_tabs(reproduce, tmp_path):
    (tmp_path / "corpora.txt").write_text(f"xsum\t{tmp_path}\n")
    given = ["--corpora", "corpora.txt", "--recipes", "xsum/sum1", "--decoders", "mha"]
    assert reproduce.run(*given, cwd=tmp_path)[0] == 0
    assert reproduce.calls == [
        f"xsum/sum1 --paper true --xsum {tmp_path} --decoder mha --seed 1"
    ]
