"""Speech recognition in batches finds what ESPnet's own loop finds."""

import json
import random
import shutil
from argparse import Namespace

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_mtla import compat, registry
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table
from espnet_mtla.search.decoding import inference

TOKENS = ["<blank>", "<unk>", *"abcdefg", "<sos/eos>"]
CONF = {
    "frontend_conf": {"fs": 16000, "n_fft": 256, "hop_length": 160, "n_mels": 20},
    "encoder": "transformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 12,
        "num_blocks": 1,
        "input_layer": random.choice(["conv1d2", "conv2d", "conv2d2"]),
    },
    "decoder": "mtla",
    "decoder_conf": {"attention_heads": 2, "linear_units": 12, "num_blocks": 2},
    "normalize": "utterance_mvn",
    "specaug": None,
    "token_list": TOKENS,
    "token_type": "char",
}


def save_lm(folder, tokens, lm="transformer", **conf):
    """Save an untrained language model, as its training does."""
    task = compat.task_class("lm")
    conf = {"lm": lm, "lm_conf": conf, "token_list": tokens}
    conf = task.get_default_config() | conf
    model = task.build_model(Namespace(**conf))
    for p in model.parameters():
        p.data.add_(0.3 * torch.randn_like(p))
    folder.mkdir()
    torch.save(model.state_dict(), folder / "valid.loss.ave.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(conf))
    return model


def lm_options(folder):
    paths = (f"{folder}/config.yaml", f"{folder}/valid.loss.ave.pth")
    return ["--lm_train_config", paths[0], "--lm_file", paths[1]]


def save_model(tmp, **decoder_conf):
    """Save an untrained recogniser, as its training does."""
    registry.register(["asr"])
    task = compat.task_class("asr")
    conf = vars(task.get_parser().parse_args(["--output_dir", str(tmp)])) | CONF
    conf["decoder_conf"] = CONF["decoder_conf"] | decoder_conf
    (tmp / "config.yaml").write_text(yaml.safe_dump(conf))
    model = task.build_model(Namespace(**conf))
    for p in model.parameters():  # sharper than at the start of training
        p.data.mul_(1.5)
    torch.save(model.state_dict(), tmp / "model.pth")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained recogniser, its test set of ragged noise, and ESPnet's options."""
    tmp = tmp_path_factory.mktemp("asr")
    save_model(tmp)
    save_lm(tmp / "lm", TOKENS)
    names = [f"u{i}" for i in range(5)]
    for name in names:
        noise = np.random.randn(np.random.randint(1000, 6000)) / 10
        soundfile.write(tmp / f"{name}.wav", noise, 16000)
    np.random.shuffle(names)
    (tmp / "wav.scp").write_text("".join(f"{n} {tmp}/{n}.wav\n" for n in names))
    options = ["--data_path_and_name_and_type", f"{tmp}/wav.scp,speech,sound"]
    options += ["--key_file", f"{tmp}/wav.scp", "--log_level", "ERROR"]
    options += ["--asr_train_config", f"{tmp}/config.yaml", "--beam_size", "3"]
    options += ["--asr_model_file", f"{tmp}/model.pth", "--dtype", "float64"]
    return tmp, [*options, "--maxlenratio", "0.5", "--nbest", "2"]


def once_ended(table):
    """ESPnet leaves the second of two ends of sentence in; ours does not."""
    for end in (" 9", TOKENS[9]):
        table = {k: v.removesuffix(end) for k, v in table.items()}
    return {k: "" if v == "9" else v for k, v in table.items()}


@pytest.mark.parametrize(
    "how",
    [
        "--ctc_weight 0.0 --normalize_length true",
        "--ctc_weight 0.3 --penalty 0.7",
    ],
)
def test_the_same_hypotheses_as_espnet(model, tmp_path, how):
    _, options = model
    options = [*options, *how.split(), "--output_dir"]
    compat.inference_module("asr").main([*options, str(tmp_path / "espnet")])
    for size in ("1", "4"):
        inference("asr", [*options, str(tmp_path / size), "--batch_size", size])
        for n in (1, 2):
            folder = f"{n}best_recog"
            for name in ("text", "token_int"):
                theirs = read_table(tmp_path / "espnet" / folder / name)
                assert read_table(tmp_path / size / folder / name) == once_ended(theirs)
            scores = [
                read_table(tmp_path / d / folder / "score") for d in ("espnet", size)
            ]
            for key, value in scores[0].items():
                value = float(value.removeprefix("tensor(").split(",")[0].rstrip(")"))
                assert float(scores[1][key]) == pytest.approx(value, abs=1e-3)
    cost = json.loads((tmp_path / "4/efficiency.json").read_text())
    assert cost["utterances"] == 5 and cost["cache_elements"] == 18  # (32 + 4) / 2
    assert cost["source_elements"] is None  # a frame of a prompt is a token


def test_a_quantised_model_decodes_as_by_espnet(model, tmp_path):
    """One hypothesis at a time: the range of numbers is that of all in a product."""
    _, options = model
    options = [*options, "--dtype", "float32", "--beam_size", "1", "--nbest", "1"]
    options += ["--ctc_weight", "0.0", "--batch_size", "1"]

    def scores(folder):
        table = read_table(tmp_path / folder / "1best_recog" / "score")
        return {key: float(value.strip("tensor()")) for key, value in table.items()}

    inference("asr", [*options, "--output_dir", str(tmp_path / "plain")])
    options += ["--quantize_asr_model", "true", "--output_dir"]
    inference("asr", [*options, str(tmp_path / "ours")])
    at = options.index("--batch_size")
    theirs = options[:at] + options[at + 2 :]
    compat.inference_module("asr").main([*theirs, str(tmp_path / "espnet")])
    assert scores("ours") == pytest.approx(scores("espnet"), abs=1e-3)
    assert scores("ours") != pytest.approx(scores("plain"), abs=1e-3)


def test_a_source_caches_numbers_of_its_own(model, tmp_path):
    _, options = model
    save_model(tmp_path, context="cross")
    new = ["--asr_train_config", f"{tmp_path}/config.yaml", "--asr_model_file"]
    new += [f"{tmp_path}/model.pth", "--output_dir", str(tmp_path)]
    inference("asr", [*options, *new])
    cost = json.loads((tmp_path / "efficiency.json").read_text())
    assert cost["cache_elements"] == 18
    assert cost["source_elements"] == 16  # nothing is rotated: 32 / 2


@pytest.mark.parametrize("lm", ["transformer", "seq_rnn"])
def test_fused_with_a_language_model_as_espnet(model, tmp_path, lm):
    _, options = model
    sizes = {"layer": 2} if lm == "transformer" else {"nlayers": 2}
    save_lm(tmp_path / "lm", TOKENS, lm, **sizes)
    options = [*options, "--ctc_weight", "0.3", "--output_dir"]
    fused = [*lm_options(tmp_path / "lm"), "--lm_weight", "0.6"]
    compat.inference_module("asr").main([*options, str(tmp_path / "espnet"), *fused])
    runs = {"1": ["--batch_size", "1"], "4": ["--batch_size", "4"]}
    for name, size in runs.items():
        inference("asr", [*options, str(tmp_path / name), *fused, *size])
    inference("asr", [*options, str(tmp_path / "alone"), "--lm_weight", "0.6"])

    def found(name, what):
        return [read_table(tmp_path / name / f"{n}best_recog" / what) for n in (1, 2)]

    for name in runs:
        theirs = [once_ended(table) for table in found("espnet", "token_int")]
        assert found(name, "token_int") == theirs
        for theirs, ours in zip(found("espnet", "score"), found(name, "score")):
            for key, value in theirs.items():  # "tensor(-1.2345, dtype=...)"
                value = float(value.strip("tensor()").split(",")[0])
                assert float(ours[key]) == pytest.approx(value, abs=1e-4)
    assert found("alone", "score") != found("1", "score")


def test_a_language_model_that_does_not_fit_is_refused(model, tmp_path):
    tmp, options = model
    other = TOKENS[::-1]
    save_lm(tmp_path / "other", other, layer=1)
    save_lm(tmp_path / "small", TOKENS, layer=1)
    lm, small, bare = tmp / "lm", tmp_path / "small", tmp_path / "bare"
    bare.mkdir()
    shutil.copy(lm / "valid.loss.ave.pth", bare / "lm.pth")
    for words, message in (
        ([*lm_options(lm), "--lm_weight", "0"], r"--lm_weight 0.0: give .* more than"),
        (lm_options(tmp_path / "other"), "other/config.yaml has other units than"),
        (
            [*lm_options(lm), "--lm_file", f"{small}/valid.loss.ave.pth"],
            r"small/valid.loss.ave.pth is not a checkpoint of .*lm/config.yaml",
        ),
        (
            [*lm_options(lm), "--lm_file", f"{tmp}/model.pth"],
            "model.pth is not a checkpoint of",
        ),
        (
            [*lm_options(lm), "--lm_train_config", f"{tmp}/config.yaml"],
            "asr.*/config.yaml is not a language model's",
        ),
        (
            lm_options(lm)[:2],
            r"none given: no such model file; train first \(stage 7 of",
        ),
        (["--lm_file", f"{bare}/lm.pth"], "bare/config.yaml: no such config; train"),
    ):
        with pytest.raises(InputError, match=message):
            inference("asr", [*options, "--output_dir", str(tmp_path / "out"), *words])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--lm_file gone.pth", "--lm_file gone.pth: no such file"),
        ("--batch_size -1", "--batch_size -1: give an integer of at least 0"),
    ],
)
def test_bad_options_are_refused(model, tmp_path, option, message):
    _, options = model
    with pytest.raises(InputError, match=message):
        inference("asr", [*options, "--output_dir", str(tmp_path), *option.split()])
    assert not list(tmp_path.iterdir())
