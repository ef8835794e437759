"""What reproduce.sh refuses, before any run."""

from pathlib import Path

import pytest

from espnet_mtla.recipe.reproduce import main

ROOT = Path(__file__).resolve().parents[3]
DECODERS = sorted(path.stem for path in (ROOT / "conf/decoder").glob("*.yaml"))
RECIPES = sorted("/".join(path.parts[-3:-1]) for path in ROOT.glob("egs2/*/*/run.sh"))
MINI = ("--mini", "true")
NAME_ONE = "--recipes, --decoders and --seeds: name at least one"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            (),
            (
                "which corpora? give --mini true for small synthetic ones,"
                " or --corpora FILE for the real ones"
            ),
        ),
        ((*MINI, "--corpora", "x"), "give either --mini true or --corpora, not both"),
        (("--corpora", "gone.txt"), "--corpora: no such file: gone.txt"),
        (
            (*MINI, "--recipes", "must_c/st"),
            (
                "--recipes: no recipe 'must_c/st' (did you mean 'must_c/st1'?); there are:"
                f" {' '.join(RECIPES)}"
            ),
        ),
        (
            (*MINI, "--decoders", "mha mtlas:temporal_stride=3"),
            (
                "--decoders: no decoder 'mtlas' (did you mean 'mtla'?); there are:"
                f" {' '.join(DECODERS)}"
            ),
        ),
        *(
            ((*MINI, f"--{of}", " "), NAME_ONE)
            for of in ("recipes", "decoders", "seeds")
        ),
        ((*MINI, "--seeds", "1 two"), "--seeds: 'two' is no whole number"),
        (
            (*MINI, "--run_args", "--seed 2"),
            "--run_args: give --seeds in the place of --seed",
        ),
        *(
            (
                (*MINI, "--run_args", f"--{name} x"),
                f"--run_args: leave out --{name}: reproduce.sh gives it itself",
            )
            for name in ("decoder", "decoder_args", "mini", "xsum", "st_tag")
        ),
        *(
            (
                (*MINI, "--run_args", f"--nj 2 --expdir{how} /x"),
                "--run_args: leave out --expdir: tables are looked for in the recipes' exp",
            )
            for how in (" ", "=")
        ),
        (
            (*MINI, "--recipe", "x"),
            "unknown option --recipe: did you mean --recipes? see --help",
        ),
    ],
)
def test_what_cannot_work_is_refused(commands, options, message):
    with pytest.raises(SystemExit) as refused:
        main([str(ROOT / "egs2"), *options])
    assert str(refused.value) == f"reproduce.sh: {message}"
    assert commands.calls == []


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
def test_a_line_of_corpora_that_is_wrong_is_named(commands, tmp_path, lines, message):
    Path("corpora.txt").write_text("\n".join(lines).format(tmp=tmp_path))
    with pytest.raises(SystemExit) as refused:
        main([str(ROOT / "egs2"), "--corpora", "corpora.txt"])
    assert str(refused.value) == f"reproduce.sh: {message}"
    assert commands.calls == []
