"""What a second run of a recipe does again, and what it keeps (see conftest.py)."""

import shutil
import time

import pytest

EXP = "exp/mini/st_train_st_mini_mtla"


def test_a_rerun_skips_everything_and_prints_the_table(finished):
    done = finished.ok()
    assert finished.calls == []
    assert done.stdout.count("done already") == 14
    assert done.stdout.splitlines()[-1] == "|model|BLEU|"
    finished.ok("--nj", "5", "--ngpu", "2", "--gpu_inference", "false")
    assert finished.calls == []  # how many processes is no reason to start again
    finished.ok("--num_threads", "3")  # but of seconds that are compared
    assert finished.commands == finished.rest("st_inference")


@pytest.mark.parametrize(
    "options, first",
    [
        (["--num_train", "40"], "make_mini"),
        (["--fs", "8000"], "format_wav_scp"),
        (["--max_wav_duration", "20.5"], "filter_data"),
        (["--nbpe", "60"], "tokens"),
        (["--decoder", "mha"], "st_train"),
        (["--decoder_args", "temporal_stride=4"], "st_train"),
        (["--st_args", "--max_epoch 9"], "st_train"),
        (["--batch_size", "1"], "st_inference"),
        (["--inference_args", "--beam_size 2"], "st_inference"),
    ],
)
def test_a_changed_option_reruns_what_depends_on_it(finished, options, first):
    finished.ok(*options)
    tried = ["tokens", "tokens"] if first == "tokens" else []
    assert finished.commands == tried + finished.rest(first)


@pytest.mark.parametrize(
    "file, first",
    [
        ("conf/train_st_mini.yaml", "st_train"),
        ("../../../conf/decoder/mtla.yaml", "st_train"),
        ("conf/decode_st_mini.yaml", "st_inference"),
        (f"{EXP}/valid.acc.ave.pth", "st_inference"),
    ],
)
def test_a_changed_file_reruns_what_depends_on_it(finished, file, first):
    with open(finished.dir / file, "a") as f:
        f.write("grad_clip: 3\n")
    finished.ok()
    assert finished.commands == finished.rest(first)


def test_a_further_test_set_does_not_train_again(recipe):
    recipe.ok("--test_sets", "tst-HE.en-de")
    recipe.ok()
    assert recipe.commands == [
        "format_wav_scp",
        "st_inference",
        "score_st",
        "score_st",
        "compare",
    ]


def test_another_decoder_shares_the_data_and_keeps_the_first_model(finished):
    finished.ok("--decoder", "mha")
    finished.ok()
    assert finished.calls == []
    assert not (finished.dir / "exp/mini/.old").exists()


def test_a_lost_output_is_made_again(recipe):
    recipe.ok("--batch_size", "4")
    assert "--batch_size 4 " in recipe.call("st_inference")
    # A setting of its own, whose times stand beside the others.
    decoding = f"{EXP}/decode_st_mini_batch_size_4_st_model_valid.acc.ave"
    shutil.rmtree(recipe.dir / decoding / "tst-HE.en-de")
    recipe.ok("--batch_size", "4")
    assert recipe.commands == ["st_inference", "score_st", "score_st", "compare"]
    assert "tst-HE" in recipe.call("st_inference")


def test_stage_redoes_from_there_on(finished):
    finished.ok("--stage", "12")
    assert finished.commands == finished.rest("st_inference")
    finished.ok("--stage", "3", "--stop_stage", "5")
    assert set(finished.commands) == {"format_wav_scp", "filter_data", "tokens"}
    finished.ok()
    assert finished.calls == []  # the same data again: nothing to train


def test_a_training_cut_short_goes_on(recipe):
    fault = recipe.faults / "st_train"
    fault.write_text(f"mkdir -p {EXP}; echo half >{EXP}/checkpoint.pth; kill -KILL $$")
    assert recipe.run().returncode == 1
    fault.unlink()
    recipe.ok("--stage", "11")
    assert (recipe.dir / EXP / "checkpoint.pth").read_text() == "half\ntrained\n"
    assert not (recipe.dir / "exp/mini/.old").exists()


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize(
    ("config", "options"),
    [
        ("max_epoch: 3", []),
        ("max_epoch: 1", ["--st_tag", "st_mini", "--st_args", "--max_epoch 4"]),
    ],
)
def test_a_training_goes_on_for_more_epochs(recipe, config, options, stopped):
    tag = options[:2]
    recipe.ok(*tag)
    exp = recipe.dir / ("exp/mini/st_st_mini" if tag else EXP)
    if stopped:  # in the further epochs, then edited again
        fault = recipe.faults / "st_train"
        fault.write_text("exit 3")
        assert recipe.run(*tag, "--st_args", "--max_epoch 2").returncode == 1
        fault.unlink()
    (recipe.dir / "conf/train_st_mini.yaml").write_text(f"{config}\n")
    recipe.ok(*options)
    assert recipe.commands[0] == "st_train"
    if not stopped or tag:
        assert (exp / "checkpoint.pth").read_text() == "trained\ntrained\n"
    assert not (recipe.dir / "exp/mini/.old").exists()


@pytest.mark.parametrize(
    ("extent", "trainings"),
    [("patience: 3", 1), ("keep_nbest_models: 2", 1), ("keep_nbest_models: 8", 0)],
)
def test_a_training_goes_on_to_another_end(recipe, extent, trainings):
    """But models that were not kept cannot be averaged."""
    config = recipe.dir / "conf/train_st_mini.yaml"
    config.write_text("max_epoch: 1\nkeep_nbest_models: 5\n")
    recipe.ok()
    config.write_text(f"max_epoch: 1\nkeep_nbest_models: 5\n{extent}\n")
    recipe.ok()
    assert recipe.commands == recipe.rest("st_train")
    checkpoint = recipe.dir / EXP / "checkpoint.pth"
    assert checkpoint.read_text() == "trained\n" * (1 + trainings)
    assert (recipe.dir / "exp/mini/.old").exists() == (not trainings)


@pytest.mark.parametrize(
    "text",
    ["max_epoch: 1\nnum_workers: 7\n", "log_interval: 3\nmax_epoch: 1\n# words\n"],
)
def test_what_no_model_learns_from_is_no_reason_to_train(finished, text):
    (finished.dir / "conf/train_st_mini.yaml").write_text(text)
    finished.ok()
    assert finished.calls == []


def test_data_that_were_read_again_are_trained_on(finished):
    """By another run, which stopped half-way."""
    finished.ok("--num_train", "41", "--stage", "1", "--stop_stage", "1")
    finished.ok("--num_train", "41")
    assert finished.commands == finished.rest("format_wav_scp")
    assert len(list((finished.dir / "exp/mini/.old").iterdir())) == 1


def test_a_training_with_other_options_starts_afresh_and_keeps_the_old(finished):
    (finished.dir / "conf/train_st_mini.yaml").write_text("max_epoch: 2\noptim: sgd\n")
    done = finished.ok()
    assert (finished.dir / EXP / "checkpoint.pth").read_text() == "trained\n"
    (old,) = (finished.dir / "exp/mini/.old").iterdir()
    assert (old / "checkpoint.pth").exists()
    assert f"kept in exp/mini/.old/{old.name}" in done.stdout


def test_a_finished_training_asked_for_again_starts_afresh(finished):
    finished.ok("--stage", "11")
    assert finished.commands == finished.rest("st_train")
    assert (finished.dir / EXP / "checkpoint.pth").read_text() == "trained\n"
    assert len(list((finished.dir / "exp/mini/.old").iterdir())) == 1


def test_two_runs_at_once_share_the_work(recipe):
    (recipe.faults / "make_mini").write_text("sleep 1")
    first, second = (recipe.start("--decoder", name) for name in ("mha", "mla"))
    said = first.communicate(timeout=300)[0] + second.communicate(timeout=60)[0]
    assert (first.returncode, second.returncode) == (0, 0)
    assert "stage 1: waiting for another run.sh that is in data preparation" in said
    # Who comes last makes the table of both; whoever came before may have made one too.
    assert recipe.commands.count("compare") in (1, 2)
    done = [command for command in recipe.commands if command != "compare"]
    assert sorted(done) == sorted(recipe.PIPELINE[:-1] + recipe.rest("st_train")[:-1])


def test_two_runs_at_once_train_anew_once(finished):
    """The model that is put aside takes no lock with it."""
    (finished.dir / "conf/train_st_mini.yaml").write_text("max_epoch: 2\n")
    (finished.faults / "st_train").write_text("sleep 2")
    finished.calls_file.write_text("")
    first = finished.start()
    until = time.monotonic() + 20
    while "st_train" not in finished.commands:
        assert time.monotonic() < until
        time.sleep(0.05)
    said, _ = finished.start().communicate(timeout=60)
    first.communicate(timeout=60)
    assert "stage 11: waiting for another run.sh that is in training" in said
    assert "stage 11: training: done already" in said
    assert finished.commands.count("st_train") == 1


def test_what_tells_data_apart_stands_beside_the_default(recipe):
    recipe.ok()
    first = recipe.call("st_train")
    recipe.ok("--local_data_opts", "--splits train")
    train, tokens = recipe.call("st_train"), recipe.call("tokens")
    assert "_mtla_local_data_optssplits_train --seed" in train
    assert tokens.endswith("_tc_de_local_data_optssplits_train")
    recipe.ok()
    assert "st_train" not in recipe.commands and first != train


def test_the_default_file_written_out_is_no_other(recipe):
    recipe.ok()
    recipe.ok("--st_config", "conf/train_st_mini.yaml", cwd=recipe.dir)
    assert recipe.calls == []


def test_a_result_that_is_gone_leaves_the_table(recipe):
    recipe.ok()
    recipe.ok("--decoder", "mha")
    assert recipe.commands[-1] == "compare"
    recipe.ok("--decoder", "mha")
    assert recipe.calls == []
    (found,) = recipe.dir.glob("exp/mini/st_*_mtla/*/tst-HE*/score_bleu/result.json")
    found.unlink()
    recipe.ok("--decoder", "mha")
    assert recipe.commands == ["compare"]
    recipe.ok()
    assert recipe.commands == ["score_st", "score_st", "compare"]


def stamped_by_an_earlier_version(recipe, state):
    """Of the training; all else was done."""
    for stamp in recipe.root.rglob(".stage_*"):
        training = stamp.name == ".stage_11"
        stamp.write_text(f"{state if training else 'done'} {'0' * 64}\n")
    (recipe.dir / EXP / "train.yaml").write_text("decoder: mtla\nmax_epoch: 1\n")


@pytest.mark.parametrize("state", ["done", "began"])
def test_what_an_earlier_version_did_is_not_done_again(finished, state):
    stamped_by_an_earlier_version(finished, state)
    finished.ok()
    assert finished.commands == ([] if state == "done" else finished.rest("st_train"))
    checkpoint = finished.dir / EXP / "checkpoint.pth"
    assert checkpoint.read_text() == "trained\n" * (1 if state == "done" else 2)
    more = finished.dir / "conf/train_st_mini.yaml"
    more.write_text("max_epoch: 1\noptim: sgd\n")
    finished.ok()
    assert finished.commands == finished.rest("st_train")


@pytest.mark.parametrize("state", ["done", "began"])
@pytest.mark.parametrize(
    ("options", "first"),
    [
        (["--num_train", "41"], "make_mini"),
        (["--max_wav_duration", "20.5"], "filter_data"),
        ([], "st_train"),
    ],
)
def test_an_earlier_version_s_other_work_is_done_again(finished, state, options, first):
    stamped_by_an_earlier_version(finished, state)
    if first == "st_train":
        (finished.dir / "conf/train_st_mini.yaml").write_text(
            "max_epoch: 1\noptim: sgd\n"
        )
    finished.ok(*options)
    assert finished.commands == finished.rest(first)
    assert len(list((finished.dir / "exp/mini/.old").iterdir())) == 1


def test_what_lies_beside_the_data_is_no_reason_to_train(finished):
    for folder in (
        finished.dir / "dump/mini/raw/train.en-de",
        finished.dir / "data/mini/dev.en-de",
    ):
        (folder / "wav.scp~").write_text("an editor's")
        (folder / "notes").write_text("mine")
    finished.ok()
    assert finished.calls == []


def test_the_last_of_repeated_epochs_counts(recipe):
    recipe.ok("--st_tag", "x", "--st_args", "--max_epoch 3")
    recipe.ok("--st_tag", "x", "--st_args", "--max_epoch 3 --max_epoch 9")
    assert recipe.commands[0] == "st_train"
    assert not (recipe.dir / "exp/mini/.old").exists()


def test_a_validation_set_that_is_tested_is_formatted_once(recipe):
    recipe.ok(
        "--test_sets",
        "dev.en-de",
        "--stage",
        "3",
        "--stop_stage",
        "3",
        "--skip_data_prep",
        "true",
    )
    recipe.ok(
        "--test_sets", "dev.en-de tst-HE.en-de", "--stage", "1", "--stop_stage", "3"
    )
    assert recipe.commands.count("format_wav_scp") == 3
