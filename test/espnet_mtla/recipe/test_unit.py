"""A unit of work: when it is done, what it says, and how it fails."""

import signal
from pathlib import Path

import pytest

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.unit import Unit

ONE = ("@runs", "format_wav_scp", "--out", "raw", "@free", "--nj", "2")


def unit(*words, number="3.train", title="format train"):
    return Unit([number, title, "f", *words])


@pytest.fixture
def do(commands):
    """Does a unit of these words; the commands that were run."""

    def done(*words, redo=None, **how):
        commands.calls.clear()
        unit(*words, **how).run("python", redo)
        return [
            call.removeprefix("python -m espnet_mtla.bin.") for call in commands.calls
        ]

    return done


def failed(do, *words, **how):
    with pytest.raises(InputError) as refused:
        do(*words, **how)
    return str(refused.value)


def writes(*names):
    def does(log, *_):
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text("made")

    return does


def test_words_stand_where_they_belong():
    made = unit(
        *("@reads", "a", "b", "@runs", "one", "--x", "1", "@free", "--nj", "2"),
        *("@trains", "two", "--y", "@makes", "c", "@model", "opt", "exp", "m.pth"),
    )
    assert made.commands == [["one", "--x", "1", "--nj", "2"], ["two", "--y"]]
    assert made.counted == [["one", "--x", "1"], ["two", "--y"]] and made.trains
    assert made.reads == ["exp/config.yaml", "exp/m.pth", "a", "b"]
    assert (made.makes, made.number, str(made.log)) == (
        *(["c"], "3", "f/logs/stage_3.train.log"),
    )
    assert not unit(*ONE).trains


def test_what_is_done_is_not_done_again_unless_asked_for(do, capsys):
    assert do(*ONE) == ["format_wav_scp --out raw --nj 2"]
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "stage 3: format train ... (log: f/logs/stage_3.train.log)"
    assert out[1] == "stage 3: format train: 0 s"
    assert do(*ONE) == []
    assert capsys.readouterr().out == "stage 3: format train: done already\n"
    assert len(do(*ONE, redo=3)) == 1


def test_how_many_processes_does_not_count(do):
    do(*ONE)
    assert do(*ONE[:-1], "9") == []
    assert len(do(*ONE[:3], "other")) == 1


def test_facts_that_it_depends_on_besides_count(do):
    assert [len(do(*ONE, "@also", f"threads {n}")) for n in (1, 1, 2)] == [1, 0, 1]


def test_what_is_in_its_inputs_counts_whoever_wrote_it(do):
    data = Path("data")
    data.mkdir()
    (data / "text").write_text("a b\n")
    words = (*ONE, "@reads", "data")
    assert len(do(*words)) == 1
    (data / "text").write_text("a b\n")
    (data / "notes").write_text("no table of a data directory")
    assert do(*words) == []
    (data / "text").write_text("a c\n")
    assert len(do(*words)) == 1


def test_what_is_found_then_counts(do):
    words = (*ONE, "@finds", "exp", "*/result.json")
    do(*words)
    writes("exp/a/result.json")(None)
    assert [len(do(*words)), len(do(*words))] == [1, 0]
    Path("exp/a/result.json").unlink()
    assert len(do(*words)) == 1


def test_a_lost_output_is_made_again(do, commands):
    commands.does = writes("raw/wav.scp", "raw/text")
    words = (*ONE, "@makes", "raw/wav.scp", "raw/text")
    assert [len(do(*words)), len(do(*words))] == [1, 0]
    Path("raw/text").unlink()
    assert len(do(*words)) == 1


def test_commands_run_in_order_until_one_fails(do, commands):
    def does(log, python, m, module, *words):
        print("from", module, file=log)
        return 3 if module.endswith("two") else 0

    commands.does = does
    said = failed(do, "@runs", "one", "a b", "@runs", "two", "@runs", "three")
    assert said == "stage 3 (format train) failed; see f/logs/stage_3.train.log"
    assert Path("f/logs/stage_3.train.log").read_text() == (
        "# python -m espnet_mtla.bin.one 'a b'\nfrom espnet_mtla.bin.one\n"
        "# python -m espnet_mtla.bin.two\nfrom espnet_mtla.bin.two\n"
    )
    commands.does = writes()
    assert do("@runs", "one", "a b", "@runs", "two") == ["one a b", "two"]


@pytest.mark.parametrize(
    ("output", "status", "reason"),
    [
        ("loading\nerror: too many\n", 3, ": error: too many"),
        (
            "error: old\nx.py: error: no such option\n",
            2,
            ": x.py: error: no such option",
        ),
        ("Traceback\n  File x\nKeyError: 3\n", 1, ": KeyError: 3"),
        ("error: old\n", -signal.SIGKILL, ": killed by signal 9"),
        ("some words about no mirror: x\n", 1, ""),
        ("error: of one that went on\n", 0, ": it made no raw/wav.scp"),
    ],
)
def test_the_last_line_says_why_and_a_rerun_tries_again(
    do, commands, output, status, reason
):
    def does(log, *_):
        log.write(output)
        log.flush()
        return status

    commands.does = does
    words = (*ONE, "@makes", "raw/wav.scp")
    said = failed(do, *words)
    log = "f/logs/stage_3.train.log"
    assert said == f"stage 3 (format train) failed{reason}; see {log}"
    commands.does = writes("raw/wav.scp")
    assert len(do(*words)) == 1 and do(*words) == []


def test_what_failed_is_not_done_though_it_once_was(do, commands):
    do(*ONE)
    commands.does = lambda log, *_: 1
    failed(do, *ONE, redo=3)
    commands.does = writes()
    assert len(do(*ONE)) == 1


def test_a_missing_earlier_stage_is_named(do, commands):
    Path("data/tst-HE.en-de").mkdir(parents=True)
    said = failed(do, *ONE, "@reads", "data/tst-HE.en_de")
    assert commands.calls == []
    assert said == (
        "stage 3 (format train) failed: error: data/tst-HE.en_de is missing"
        " (did you mean 'tst-HE.en-de'?): run the earlier stages first;"
        " see f/logs/stage_3.train.log"
    )
    assert "error: e/config.yaml is missing: run" in failed(
        do, *ONE, "@reads", "e/config.yaml"
    )


def test_why_an_output_is_missing_is_said(do, commands):
    commands.does = writes("data/train.en-de/wav.scp")
    said = failed(do, *ONE, "@makes", "data/train.en_de/wav.scp")
    assert "no data/train.en_de/wav.scp (did you mean 'train.en-de'?); see" in said
    commands.does = lambda log, *_: print(
        "x: not made, without /d", file=log, flush=True
    )
    said = failed(do, *ONE, "@makes", "data/x/wav.scp")
    assert "it made no data/x/wav.scp: not made, without /d; see" in said


def test_what_a_set_counts_is_no_reason(do, commands):
    """Of one that lacks its texts."""

    def does(log, *_):
        writes("data/train/wav.scp", "data/train/txt")(log)
        print("train: 30 utterances", file=log, flush=True)

    commands.does = does
    said = failed(do, *ONE, "@makes", "data/train/text")
    assert "it made no data/train/text (did you mean 'txt'?); see" in said


def test_what_it_needs_is_not_made_again(do, commands):
    """A mistyped set is no reason to read a corpus again."""
    commands.does = writes("data/train/wav.scp")
    words = (*ONE, "@needs", "data/train/wav.scp", "data/tran/wav.scp")
    for calls in (1, 0):
        assert "no data/tran/wav.scp (did you mean 'train'?)" in failed(do, *words)
        assert len(commands.calls) == calls
    assert do(*words[:-1]) == []


def test_what_is_done_once_is_done_again_from_an_earlier_stage_alone(do):
    words = (*ONE, "@once")
    found = [len(do(*words, redo=stage)) for stage in (None, 3, 4, 2)]
    assert found == [1, 0, 0, 1]


def test_without_an_input_nothing_is_put_aside(do, commands):
    """Nor is the log of what was done."""
    Path("in").write_text("1")
    words = ("@reads", "in", "@runs", "one")
    do(*words)
    before = Path("f/logs/stage_3.train.log").read_text()
    Path("in").unlink()
    assert "error: in is missing" in failed(do, *words) and commands.calls == []
    assert Path("f/logs/stage_3.train.log").read_text().startswith(before)
    Path("in").write_text("1")
    assert do(*words) == []


def test_what_preparation_counts_is_printed(do, commands, capsys):
    commands.does = lambda log, *_: print("train: 30 utterances", file=log, flush=True)
    do(*ONE, number="5", title="units")
    assert capsys.readouterr().out.endswith(" s\n  train: 30 utterances\n")
    do(*ONE, number="6", title="text")
    assert capsys.readouterr().out.endswith(" s\n")


def test_what_it_shows_is_printed_each_time(do, commands, capsys):
    commands.does = lambda *_: Path("ppl").write_text("3.25\n") and 0
    for _ in range(2):
        do(*ONE, "@shows", "ppl", "perplexity: {} a unit", number="8")
        assert capsys.readouterr().out.endswith("\nperplexity: 3.25 a unit\n")
    Path("table").write_text("| a |\n| b |\n")
    do(*ONE, "@shows", "table", number="13")
    assert capsys.readouterr().out.endswith(" s\n| a |\n| b |\n")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (
            "inference_st_model",
            "--inference_st_model: exp has no m.pth; its models: a.pth b.pth",
        ),
        ("", "exp has no m.pth: its training (stage 11) is not finished"),
    ],
)
def test_a_model_that_a_training_does_not_have_is_refused(do, commands, option, said):
    writes("exp/config.yaml", "exp/b.pth", "exp/a.pth", "exp/checkpoint.pth")(None)
    assert failed(do, *ONE, "@model", option, "exp", "m.pth") == said
    assert commands.calls == [] and not Path("f").exists()
    # where nothing was trained, that is said
    said = failed(do, *ONE, "@model", option, "other", "m.pth")
    assert "error: other/config.yaml is missing: run the earlier stages first" in said


def test_a_real_command_writes_to_the_log_and_may_be_killed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "runs $*"; echo error: x >&2; kill -KILL $$\n')
    python.chmod(0o755)
    with pytest.raises(InputError, match="failed: killed by signal 9; see"):
        unit(*ONE).run(str(python), None)
    log = Path("f/logs/stage_3.train.log").read_text().splitlines()
    assert log[1] == "runs -m espnet_mtla.bin.format_wav_scp --out raw --nj 2"
    assert log[2] == "error: x"
