"""Units that train: what they go on from, put aside, or take over from an earlier version."""

import os
import re
from pathlib import Path

import pytest

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.unit import Unit

CHECKPOINT = Path("exp/st/checkpoint.pth")
CONFIG = Path("train.yaml")


class Training:
    """Of a configuration and further options; counted in its checkpoint."""

    def __init__(self, commands):
        self.commands, self.status = commands, 0
        commands.does = self.trains
        CONFIG.write_text("max_epoch: 1\n")

    def trains(self, *_):
        with open(CHECKPOINT, "a") as f:
            f.write("trained\n")
        return self.status

    def __call__(self, *options, config=None, redo=None):
        """How often the model that is there was trained, and the old ones."""
        if config is not None:
            CONFIG.write_text(config)
        self.commands.calls.clear()
        words = [
            "@trains",
            "st_train",
            "--config",
            CONFIG,
            *options,
            "@free",
            "--ngpu",
            "2",
        ]
        Unit(["11", "training", "exp/st", *map(str, words)]).run("python", redo)
        return self.trained(), self.kept()

    def fails(self, *options, **how):
        self.status = -9
        with pytest.raises(InputError, match="killed by signal 9"):
            self(*options, **how)
        self.status = 0

    def trained(self):
        return CHECKPOINT.read_text().count("trained")

    def kept(self):
        return len(list(Path("exp").glob(".old/*")))


@pytest.fixture
def train(commands):
    return Training(commands)


def test_one_cut_short_goes_on(train):
    train.fails()
    assert train() == (2, 0)
    assert train() == (2, 0) and train.commands.calls == []


def test_one_cut_short_goes_on_though_a_stage_is_asked_for_again(train):
    train.fails()
    assert train(redo=11) == (2, 0)


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ("max_epoch: 3\n", ()),
        ("max_epoch: 1\n", ("--max_epoch", "4")),
        ("max_epoch: 1\n", ("--max_epoch", "1", "--max_epoch", "9")),
    ],
)
def test_one_goes_on_for_more_epochs(train, config, options):
    train()
    assert train(*options, config=config) == (2, 0)
    assert train(*options) == (2, 0) and train.commands.calls == []


def test_one_stopped_in_further_epochs_goes_on_to_others(train):
    train()
    train.fails("--max_epoch", "2")
    assert train("--max_epoch", "4") == (3, 0)
    train.fails("--max_epoch", "8")
    assert train("--max_epoch", "5") == (5, 0)


def test_fewer_epochs_are_done_already(train):
    train("--max_epoch", "4")
    assert train() == (1, 0) and train.commands.calls == []


@pytest.mark.parametrize(
    ("extent", "expected"),
    [
        ("patience: 3", (2, 0)),
        ("keep_nbest_models: 2", (2, 0)),
        ("keep_nbest_models: 8", (1, 1)),  # what was not kept cannot be averaged
    ],
)
def test_one_goes_on_to_another_end(train, extent, expected):
    config = "max_epoch: 1\nkeep_nbest_models: 5\n"
    train(config=config)
    assert train(config=f"{config}{extent}\n") == expected


@pytest.mark.parametrize(
    "text",
    ["max_epoch: 1\nnum_workers: 7\n", "log_interval: 3\nmax_epoch: 1\n# words\n"],
)
def test_what_no_model_learns_from_is_no_reason_to_train(train, text):
    train()
    assert train(config=text) == (1, 0) and train.commands.calls == []


def test_one_with_other_options_starts_afresh_and_keeps_the_old(train, capsys):
    train()
    assert train(config="max_epoch: 2\noptim: sgd\n") == (1, 1)
    (old,) = Path("exp/.old").iterdir()
    assert re.fullmatch(r"st\.\d{8}-\d{6}", old.name)
    assert (old / "checkpoint.pth").read_text() == "trained\n"
    said = f"stage 11: training anew; the model trained before is kept in {old}\n"
    assert said in capsys.readouterr().out
    assert (old / "logs/stage_11.log").exists() and (old / "logs/.stage_11").exists()
    assert train() == (1, 1) and train.commands.calls == []


def test_one_asked_for_again_starts_afresh(train):
    train()
    assert train(redo=11) == (1, 1)


def test_where_nothing_was_learnt_nothing_is_kept(train):
    train.commands.does = lambda *_: 1
    with pytest.raises(InputError):
        train()
    train.commands.does = train.trains
    assert train(config="optim: sgd\n") == (1, 0)


def stamped_by_an_earlier_version(state):
    stamp = Path("exp/st/logs/.stage_11")
    stamp.write_text(f"{state} {'0' * 64}\n")
    Path("exp/st/train.yaml").write_text("max_epoch: 1\n")


@pytest.mark.parametrize(("state", "trained"), [("done", 1), ("began", 2)])
def test_what_an_earlier_version_did_is_taken_over(train, state, trained):
    train("--seed", "1")
    stamped_by_an_earlier_version(state)
    assert train("--seed", "1") == (trained, 0)
    assert train("--seed", "1") == (trained, 0) and train.commands.calls == []
    # in a stamp as they are now
    assert train("--seed", "1", "--max_epoch", "3") == (trained + 1, 0)


@pytest.mark.parametrize("state", ["done", "began"])
def test_an_earlier_version_s_training_goes_on_for_more_epochs(train, state):
    train()
    stamped_by_an_earlier_version(state)
    assert train(config="max_epoch: 5\n") == (2, 0)


@pytest.mark.parametrize("state", ["done", "began"])
@pytest.mark.parametrize(
    ("options", "config"), [((), "optim: sgd\n"), (("--seed", "7"), None)]
)
def test_an_earlier_version_s_other_training_is_begun_anew(
    train, state, options, config
):
    train()
    stamped_by_an_earlier_version(state)
    assert train(*options, config=config) == (1, 1)


@pytest.mark.parametrize("state", ["done", "began"])
def test_other_work_of_an_earlier_version(commands, state):
    def work(*words):
        commands.calls.clear()
        Unit(["3", "format", "f", "@reads", "in", "@runs", "one", *words]).run(
            "py", None
        )
        return len(commands.calls)

    Path("in").write_text("1")
    work("--x")
    old = f"{state} {'0' * 64}\n"
    stamp = Path("f/logs/.stage_3")
    stamp.write_text(old)
    assert work("--x") == (state == "began")
    stamp.write_text(old)
    assert work("--y") == 1
    # an input that was written since is another, perhaps
    stamp.write_text(old)
    later = stamp.stat().st_mtime + 9
    os.utime("in", (later, later))
    assert work("--y") == 1
