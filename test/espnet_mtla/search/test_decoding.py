"""Batched decoding around ESPnet's model and search, on random weights."""

import argparse
import json
import logging
import random

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_mtla.decoder.variants import MTLADecoder
from espnet_mtla.errors import InputError
from espnet_mtla.search.decoding import inference, inference_parser, load, parse
from espnet_mtla.search.recognizer import Recognizer
from espnet_mtla.search.view import SearchView
from espnet_mtla.task import TASKS
from espnet_mtla.tasks import task_class
from espnet_mtla.variant import VARIANTS

TOKENS = ["<blank>", "<unk>", *"abcdefgh", "<sos/eos>"]
NAMES = ["u2", "u1", "tiny", "u4", "u3"]


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """Five utterances, one of them too short to be encoded."""
    folder = tmp_path_factory.mktemp("audio")
    rng = np.random.default_rng()
    lines = []
    for name in NAMES:
        size = 300 if name == "tiny" else int(rng.integers(6000, 20000))
        soundfile.write(folder / f"{name}.flac", rng.normal(0, 0.1, size), 16000)
        lines.append(f"{name} {folder}/{name}.flac\n")
    (folder / "wav.scp").write_text("".join(lines))
    return folder


def save_model(folder, decoder):
    """Train nothing: a model with weights large enough to tell inputs apart."""
    conf = task_class("st").get_default_config() | {
        "token_list": TOKENS,
        "src_token_list": TOKENS,
        "token_type": "char",
        "src_token_type": "char",
        "preprocessor_conf": {},  # as training leaves it; the default names one text
        "frontend_conf": {"n_fft": 256, "hop_length": 160, "n_mels": 20, "fs": "16k"},
        "encoder": "transformer",
        "encoder_conf": {
            "output_size": 24,
            "attention_heads": 2,
            "linear_units": 16,
            "num_blocks": 1,
            "input_layer": random.choice(["conv1d2", "conv2d", "conv2d2"]),
        },
        "specaug": None,
        "normalize": "utterance_mvn",
        "decoder": decoder,
        "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 2},
    }
    model = task_class("st").build_model(argparse.Namespace(**conf))
    for p in model.parameters():
        p.data.add_(torch.randn_like(p) * 0.2)
    torch.save(model.state_dict(), folder / "model.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(conf), encoding="utf-8")


def options(audio, folder, **more):
    given = {
        "data_path_and_name_and_type": f"{audio}/wav.scp,speech,sound",
        "st_train_config": f"{folder}/config.yaml",
        "st_model_file": f"{folder}/model.pth",
        "output_dir": f"{folder}/out",
        "beam_size": 4,
        "maxlenratio": -9,
        "log_level": "WARNING",
        **more,
    }
    return [word for k, v in given.items() for word in (f"--{k}", str(v))]


@pytest.mark.parametrize("decoder", VARIANTS)
def test_hypotheses_do_not_depend_on_the_batch(audio, tmp_path, decoder, monkeypatch):
    """Alone, in ragged batches, and when memory runs out in between."""
    save_model(tmp_path, decoder)
    found = {}
    for name, batch in (("alone", 1), ("together", 5), ("bounded", 5), ("halved", 5)):
        frames = 110 if name == "bounded" else 0
        if name == "halved":
            decode = Recognizer.__call__

            def crowded(self, speech, decode=decode):
                if len(speech) > 2:
                    raise torch.OutOfMemoryError("CUDA out of memory")
                return decode(self, speech)

            monkeypatch.setattr(Recognizer, "__call__", crowded)
        out = tmp_path / name
        more = {"batch_size": batch, "batch_frames": frames, "nbest": 2}
        inference("st", options(audio, tmp_path, output_dir=out, **more))
        found[name] = {
            n: (out / f"{n}best_recog/token_int").read_text() for n in (1, 2)
        }
        lines = (out / "1best_recog/score").read_text().splitlines()
        scores = [float(line.split()[1]) for line in lines if line != "tiny"]
        found[name]["scores"] = pytest.approx(scores, abs=1e-3)
    keys = [line.split()[0] for line in found["alone"][1].splitlines()]
    assert keys == NAMES  # in input order
    assert "tiny\n" in found["alone"][1]  # left empty, whatever the batch
    assert len(set(found["alone"][1].splitlines())) == len(NAMES)
    for result in found.values():
        assert result[1] == found["alone"][1] and result[2] == found["alone"][2]
        assert result["scores"] == found["alone"]["scores"].expected
    cost = json.loads((tmp_path / "together/efficiency.json").read_text())
    assert cost["utterances"] == 5 and cost["cache_bytes"] > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_search_has_a_view_of_the_decoder(audio, tmp_path, dtype):
    save_model(tmp_path, "mtla")
    args = parse("st", options(audio, tmp_path, dtype=dtype))
    recognizer = Recognizer(load("st", args))
    search, model = recognizer.inner.beam_search, recognizer.model
    assert isinstance(recognizer.decoder, SearchView)
    assert search.scorers["decoder"] is recognizer.decoder
    assert search.full_scorers["decoder"] is recognizer.decoder
    assert type(model.decoder) is MTLADecoder
    weights = {p.data_ptr() for p in model.decoder.parameters()}
    assert {p.data_ptr() for p in recognizer.decoder.parameters()} == weights


def test_a_configuration_lies_beside_its_model(audio, tmp_path):
    save_model(tmp_path, "mha")
    given = options(audio, tmp_path)
    place = given.index("--st_train_config")
    args = parse("st", given[:place] + given[place + 2 :])
    assert args.st_train_config == f"{tmp_path}/config.yaml"
    other = [word.replace("--st_", "--asr_") for word in given]
    with pytest.raises(
        InputError, match=r"config.yaml: ESPnet makes no asr model of it"
    ):
        inference("asr", other)


def test_bad_options_are_refused_before_the_model_is_built(audio, tmp_path):
    save_model(tmp_path, "mha")
    for more, words in (
        ({"batch_size": -1}, "--batch_size -1"),
        ({"beam_size": 0}, "--beam_size 0"),
        ({"ngpu": 2}, "--ngpu 2"),
        ({"output_dir": f"{audio}/wav.scp"}, "wav.scp is a file: give a folder"),
        ({"st_model_file": "gone.pth"}, "gone.pth: no such model file"),
        ({"data_path_and_name_and_type": "gone,speech,sound"}, "gone: no such file"),
    ):
        with pytest.raises(InputError, match=words):
            parse("st", options(audio, tmp_path, **more))


def test_logs_are_espnets(audio, tmp_path, monkeypatch):
    """Its level and format, whatever ESPnet logs while a model is checked."""
    save_model(tmp_path, "transformer")
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.WARNING)
    parse("st", options(audio, tmp_path, log_level="INFO"))
    (handler,) = logging.root.handlers
    assert logging.root.level == logging.INFO
    assert handler.formatter._fmt.startswith("%(asctime)s (%(module)s:%(lineno)d)")


@pytest.mark.parametrize("task", TASKS)
def test_help_is_printed(task):
    """With options whose texts ESPnet's own command cannot print."""
    text = inference_parser(task).format_help()
    assert "--batch_frames" in text and "--search" in text


def test_a_gpu_that_is_not_there_is_refused(audio, tmp_path, monkeypatch):
    save_model(tmp_path, "mha")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="--ngpu 1: PyTorch finds no GPU here, give 0"):
        parse("st", options(audio, tmp_path, ngpu=1))


def test_data_of_another_name_are_refused(audio, tmp_path):
    save_model(tmp_path, "mha")
    data = f"{audio}/wav.scp,audio,sound"
    with pytest.raises(InputError, match="names audio: give speech"):
        parse("st", options(audio, tmp_path, data_path_and_name_and_type=data))


@pytest.mark.parametrize(
    ("yaml_text", "more", "want"),
    [
        ("", {"beam_size": 25}, (0, 100000)),
        ("batch_frames: 3000x20", {"beam_size": 60}, (0, 1000)),
        ("batch_frames: 3000", {"beam_size": 60}, (0, 3000)),
        ("batch_frames: 3000x20\nbatch_size: 8", {"batch_frames": 0}, (8, 0)),
        ("batch_size: 8", {"batch_size": 3, "batch_frames": "7x2"}, (3, 3)),
    ],
)
def test_a_batch_is_bounded_by_frames_times_beam(
    audio, tmp_path, yaml_text, more, want
):
    save_model(tmp_path, "mha")
    (tmp_path / "decode.yaml").write_text(yaml_text or "{}")
    given = {"config": tmp_path / "decode.yaml", **more}
    args = parse("st", options(audio, tmp_path, **given))
    assert (args.batch_size, args.batch_frames) == want


def test_a_bound_of_another_form_is_refused(audio, tmp_path, capsys):
    save_model(tmp_path, "mha")
    (tmp_path / "decode.yaml").write_text("batch_frames: -3")
    with pytest.raises(InputError, match="--batch_frames -3: give FRAMES"):
        parse("st", options(audio, tmp_path, config=tmp_path / "decode.yaml"))
    with pytest.raises(SystemExit):
        parse("st", options(audio, tmp_path, batch_frames="9x0"))
    assert "argument --batch_frames: 9x0: give FRAMES" in capsys.readouterr().err


def test_an_unknown_key_is_named(audio, tmp_path):
    save_model(tmp_path, "mha")
    (tmp_path / "keys").write_text("u1\nu9\n")
    with pytest.raises(InputError, match="keys: u9 is not in the data"):
        inference("st", options(audio, tmp_path, key_file=tmp_path / "keys"))
