"""Merging configurations before ESPnet's trainer takes over."""

import pytest
import yaml

from espnet_mtla.config import merged_config, take_option, training_config
from espnet_mtla.errors import InputError
from espnet_mtla.training import train


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_later_files_win_key_by_key(tmp_path):
    recipe = write(
        tmp_path / "a.yaml",
        "decoder_conf: {num_blocks: 3, linear_units: 5}\nlr: [1, 2]",
    )
    variant = write(
        tmp_path / "b.yaml", "decoder: mtla\ndecoder_conf: {linear_units: 7}\nlr: [3]"
    )
    assert merged_config([recipe, variant]) == {
        "decoder": "mtla",
        "decoder_conf": {"num_blocks": 3, "linear_units": 7},
        "lr": [3],
    }


OURS = "decoder_conf: {num_blocks: 3, dropout_rate: 0.2}"


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ([], {}),
        (
            ["--decoder_conf", "dropout_rate=0.4"],
            {"dropout_rate": 0.4, "positional": 0.4},
        ),
        (
            ["--decoder_conf", "self_attention_dropout_rate=0.1"],
            {"self": 0.1, "src": 0.1},
        ),
        (["--decoder_conf", "src_attention_dropout_rate=0.3"], {"src": 0.3}),
        (["--decoder_conf", "positional_dropout_rate=0.3"], {"positional": 0.3}),
        (["--decoder_conf", "qk_norm=true", "--seed", "2"], {"qk_norm": True}),
    ],
)
def test_espnet_s_decoder_gets_the_sizes_and_dropout_of_ours(tmp_path, words, changed):
    paths = [write(tmp_path / "a.yaml", OURS)]
    paths += [write(tmp_path / "b.yaml", "decoder: transformer")]
    short = {"self": "self_attention_dropout_rate", "src": "src_attention_dropout_rate"}
    short |= {"positional": "positional_dropout_rate"}
    want = {"attention_heads": 8, "linear_units": 2048, "num_blocks": 3}
    want |= {"dropout_rate": 0.2, "positional": 0.2, "self": 0.0, "src": 0.0} | changed
    found = training_config(paths, words)
    assert found["decoder_conf"] == {short.get(n, n): v for n, v in want.items()}


@pytest.mark.parametrize("decoder", ["mtla", "rnn"])
def test_other_decoders_get_what_was_written(tmp_path, decoder):
    paths = [write(tmp_path / "a.yaml", OURS)]
    paths += [write(tmp_path / "b.yaml", f"decoder: {decoder}")]
    found = training_config(paths, ["--decoder_conf", "dropout_rate=0.4"])
    assert found == merged_config(paths)


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [1", "not YAML"), ("- 1\n- 2\n", "give a YAML map"), ("", "give a YAML map")],
)
def test_a_broken_file_is_named(tmp_path, text, words):
    path = write(tmp_path / "broken.yaml", text)
    with pytest.raises(InputError, match=rf"broken.yaml: {words}"):
        merged_config([path])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="gone.yaml: no such file"):
        merged_config([str(tmp_path / "gone.yaml")])


def test_other_options_keep_their_order():
    argv = ["--a", "1", "--config", "x", "--config=y", "--b=2"]
    assert take_option("config", argv) == (["x", "y"], ["--a", "1", "--b=2"])


def test_espnet_receives_the_merged_file(tmp_path, monkeypatch):
    from espnet_mtla.tasks import STTask

    seen = []
    monkeypatch.setattr(STTask, "main", lambda cmd: seen.append(cmd))
    one, two = write(tmp_path / "1.yaml", "a: 1"), write(tmp_path / "2.yaml", "b: ▁")
    out = tmp_path / "exp"
    train(
        "st", ["--config", one, "--config", two, "--output_dir", str(out), "--x", "y"]
    )
    assert seen == [
        ["--config", f"{out}/train.yaml", "--output_dir", str(out), "--x", "y"]
    ]
    assert yaml.safe_load((out / "train.yaml").read_text("utf-8")) == {"a": 1, "b": "▁"}


def test_espnet_receives_the_sizes_that_a_command_line_gives_its_decoder(
    tmp_path, monkeypatch
):
    from espnet_mtla.tasks import STTask

    monkeypatch.setattr(STTask, "main", lambda cmd: None)
    one = write(tmp_path / "1.yaml", OURS)
    two = write(tmp_path / "2.yaml", "decoder: transformer")
    out = ["--output_dir", str(tmp_path / "exp")]
    train(
        "st",
        ["--config", one, "--config", two, *out, "--decoder_conf", "dropout_rate=0"],
    )
    conf = yaml.safe_load((tmp_path / "exp/train.yaml").read_text("utf-8"))
    assert conf["decoder_conf"]["positional_dropout_rate"] == 0


def test_bad_decoder_options_are_one_line(tmp_path):
    """What a person meets: the whole command, refused before anything trains."""
    import subprocess
    import sys

    config = write(
        tmp_path / "t.yaml", "decoder: mtla\ndecoder_conf: {temporal_stride: 0}"
    )
    tokens = write(tmp_path / "tokens.txt", "<blank>\n<unk>\na\n<sos/eos>\n")
    done = subprocess.run(
        [sys.executable, "-m", "espnet_mtla.bin.st_train", "--config", config]
        + ["--token_list", tokens, "--src_token_list", tokens, "--ngpu", "0"]
        + ["--token_type", "char", "--src_token_type", "char"]
        + ["--output_dir", str(tmp_path / "exp"), "--dry_run", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last == "error: temporal_stride=0: give an integer of at least 1"
