"""Faults of data, models and options: each is named, and none takes others with it."""

import inspect
import logging
import random
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
import yaml
from models import ENCODER, paths, save, speech2text

from espnet_mtla import accelerate, compat
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table
from espnet_mtla.search.batch import Failure
from espnet_mtla.search.decoding import inference
from espnet_mtla.search.encoding import ENOUGH
from espnet_mtla.search.recognizer import Recognizer

SLIDING = {
    "frontend": "sliding_window",
    "frontend_conf": {"fs": "16k", "win_length": 400, "hop_length": 160},
    "preencoder": "sinc",
    "preencoder_conf": {"fs": 16000, "out_channels": 128},
    "normalize": None,
}
FRONT_ENDS = {"default": {}, "sliding_window": SLIDING}
LIGHT = {"attention_heads": 2, "linear_units": 16, "num_blocks": 2, "conv_wshare": 2}
ESPNETS = {
    "lightweight_conv": (
        LIGHT | {"conv_kernel_length": [3, 3]},
        "decoder (it is a LightweightConvolutionTransformerDecoder)",
    ),
    "rnn": (
        {"hidden_size": 12, "att_conf": {"atype": "dot", "adim": 8}},
        "search (BeamSearch)",
    ),
    "transducer": ({"hidden_size": 12}, "search (no beam search)"),
}
SEE_PADDING = {
    "vgg_rnn": {"num_layers": 1, "hidden_size": 12, "output_size": 24},
    "conformer": ENCODER | {"rel_pos_type": "legacy"},
}
SIZES = {"u3": 7000, "u1": 12000, "u2": 4100}


def noise(size, *shape):
    return (np.random.randn(size, *shape) / 10).astype(np.float32)


@pytest.fixture(scope="module", params=FRONT_ENDS)
def heard(request, tmp_path_factory):
    """A model with each front end."""
    return save("asr", tmp_path_factory.mktemp("front"), **FRONT_ENDS[request.param])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save("asr", tmp_path_factory.mktemp("asr"))


@pytest.fixture
def audio(tmp_path):
    """Writes files and their list; three good ones are always there."""
    lines = []

    def write(name, samples, rate=16000, subtype=None):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, samples, rate, subtype=subtype)
        lines.append(f"{name} {path}\n")
        np.random.shuffle(lines)
        (tmp_path / "wav.scp").write_text("".join(lines))
        return path

    for name, size in SIZES.items():
        write(name, noise(size))
    return write


def command(folder, data, **more):
    given = {
        "data_path_and_name_and_type": f"{data}/wav.scp,speech,sound",
        **paths(folder, "asr"),
        "output_dir": f"{data}/out",
        "beam_size": 3,
        "nbest": 2,
        "ctc_weight": 0.3,
        "maxlenratio": -6,
        "log_level": "ERROR",
        **more,
    }
    return [word for k, v in given.items() for word in (f"--{k}", str(v))]


def found_in(data, out="out"):
    """Both n-best lists, of tokens and scores."""
    tables = [
        [read_table(data / out / f"{n}best_recog" / what) for n in (1, 2)]
        for what in ("token_int", "score")
    ]
    scores = [
        {
            k: pytest.approx(float(v or "nan"), abs=1e-3, nan_ok=True)
            for k, v in t.items()
        }
        for t in tables[1]
    ]
    return tables[0], scores


def values(tables):
    """Scores as numbers, to be compared with those of :func:`found_in`."""
    tokens, scores = tables
    plain = [{k: v.expected for k, v in table.items()} for table in scores]
    return tokens, plain


def good(tables):
    return tuple([{k: t[k] for k in SIZES} for t in part] for part in tables)


def result(found):
    """Tokens and scores of a call's n-best list, and what encoder layers say."""
    found, layers = found if isinstance(found, tuple) else (found, None)
    scores = pytest.approx([float(h[-1].score) for h in found], abs=1e-3)
    return [h[2] for h in found], scores, layers


def same(got, want):
    (tokens, scores, layers), (others, wanted, theirs) = result(got), result(want)
    return tokens == others and scores.expected == wanted and layers == theirs


@pytest.mark.parametrize("size", [160, 100, 0])
def test_what_is_too_short_is_left_empty(heard, audio, tmp_path, caplog, size):
    """And costs no other its hypotheses, in a batch, alone, or by ESPnet's search."""
    inference("asr", command(heard, tmp_path, batch_size=1))
    want = values(found_in(tmp_path))
    audio("short", noise(size))
    for more in ({"batch_size": 1}, {"batch_size": 0}, {"search": "espnet"}):
        caplog.clear()
        inference("asr", command(heard, tmp_path, **more))
        found = found_in(tmp_path)
        assert good(found) == want
        assert all(table["short"] == "" for table in found[0])
        assert "short: too short" in caplog.text
    fast = accelerate(speech2text("asr", heard, ctc_weight=0.3, maxlenratio=-6.0))
    assert fast(noise(size)) == [] and fast([noise(size)] * 2) == [[], []]


def test_stereo_and_mono(folder, audio, tmp_path):
    """One channel of several is heard, as ESPnet does; in a batch by themselves."""
    files = {name: soundfile.read(tmp_path / f"{name}.wav")[0] for name in SIZES}
    for name, samples in files.items():
        audio(f"{name}-stereo", np.stack((samples, noise(len(samples))), axis=1))
    for size in (0, 1):
        inference("asr", command(folder, tmp_path, batch_size=size))
        tokens, scores = found_in(tmp_path)
        for n in (0, 1):
            for name in SIZES:
                assert tokens[n][name] == tokens[n][f"{name}-stereo"]
                other = scores[n][f"{name}-stereo"]
                assert other == scores[n][name].expected


def spoil(kind, audio, folder):
    """Put a bad utterance into a test set; what is said of it."""
    if kind == "rate":
        audio("bad", noise(8000), 8000)
        return "bad: 8000 Hz, but the model hears 16000 Hz"
    if kind == "not a number":
        audio(
            "bad",
            np.where(np.arange(8000) == 4000, np.nan, noise(8000)),
            16000,
            "FLOAT",
        )
        return "bad: it holds samples that are no numbers"
    path = audio("bad", noise(8000))
    if kind == "gone":
        path.unlink()
    else:
        path.write_bytes(
            path.read_bytes()[:30] if kind == "truncated" else b"text" * 99
        )
    return r"bad: .*bad\.wav"


@pytest.mark.parametrize("kind", ["rate", "not a number", "truncated", "text", "gone"])
def test_a_bad_utterance_is_named_and_others_are_decoded(folder, audio, tmp_path, kind):
    inference("asr", command(folder, tmp_path))
    want = values(found_in(tmp_path))
    message = spoil(kind, audio, folder)
    for more in ({}, {"search": "espnet"}):
        with pytest.raises(InputError, match=f"^1 of 4 utterances .*{message}"):
            inference("asr", command(folder, tmp_path, **more))
        found = found_in(tmp_path)
        assert good(found) == want
        assert all(table["bad"] == "" for table in found[0])
    # mended, it alone is decoded
    audio("bad", noise(8000))
    lines = set((tmp_path / "wav.scp").read_text().splitlines(True))
    (tmp_path / "wav.scp").write_text("".join(lines))
    inference("asr", command(folder, tmp_path))
    assert good(found_in(tmp_path)) == want


@pytest.mark.parametrize("part", ["decoder", "encoder"])
@pytest.mark.parametrize("search", ["fast", "espnet"])
def test_weights_that_are_no_numbers(tmp_path, audio, part, search):
    model = save("asr", tmp_path / "model")
    weights = torch.load(model / "model.pth")
    name = next(k for k in weights if k.startswith(part) and weights[k].dim() > 1)
    weights[name][:] = float("nan")
    torch.save(weights, model / "model.pth")
    message = r"^u\d: the model gives NaN: .* --dtype float32$"
    with pytest.raises(InputError, match=message):
        inference("asr", command(model, tmp_path, search=search))
    fast = accelerate(speech2text("asr", model, maxlenratio=-5.0))
    with pytest.raises(InputError, match=r"^input \d: the model gives NaN"):
        fast([noise(7000), noise(5000)])


@pytest.fixture
def searched(monkeypatch):
    """Collects how many utterances each search of several has."""
    sizes, search = [], Recognizer._search
    monkeypatch.setattr(
        Recognizer,
        "_search",
        lambda self, encoded, primers: (
            sizes.append(len(encoded)) or search(self, encoded, primers)
        ),
    )
    return sizes


@pytest.mark.parametrize("gpu", [False, True])
def test_one_too_short_leaves_others_together(folder, searched, gpu):
    theirs = speech2text("asr", folder, beam_size=2, maxlenratio=-4.0)
    fast = on_a_gpu(accelerate(theirs)) if gpu else accelerate(theirs)
    given = [noise(size) for size in (100, 7000, 5000, 6000)]
    found = fast.recognizer.decode([{"speech": x} for x in given], "abcd")
    assert found[0] == [] and searched == [3]
    assert all(same(got, theirs(x)) for got, x in zip(found[1:], given[1:]))


def test_one_that_cannot_be_encoded_costs_no_search(folder, searched, monkeypatch):
    fast = accelerate(speech2text("asr", folder, beam_size=2, maxlenratio=-4.0))
    encode = type(fast.recognizer.model).encode
    monkeypatch.setattr(
        type(fast.recognizer.model),
        "encode",
        lambda self, speech, speech_lengths: (
            encode(self, speech, speech_lengths) if speech[0, 0] < 7 else 1 / 0
        ),
    )
    given = [noise(size) for size in (9000, 8000, 7000, 6000, 5000, 5500, 4000, 4500)]
    given[4][0] = 7.0
    found = fast.recognizer.decode([{"speech": x} for x in given], "abcdefgh")
    (failure,) = (result for result in found if isinstance(result, Failure))
    assert failure == Failure("e", "division by zero")
    assert searched == [4, 2]  # and one alone


def on_a_gpu(fast):
    """Have it encode as on a GPU: several at once, until they are found to differ."""
    fast.recognizer.encode.alone = None
    return fast


@pytest.mark.parametrize("encoder", SEE_PADDING)
def test_an_encoder_that_sees_padding(encoder, tmp_path, caplog):
    save("asr", tmp_path, encoder=encoder, encoder_conf=SEE_PADDING[encoder])
    theirs = speech2text("asr", tmp_path, beam_size=3, ctc_weight=0.3, maxlenratio=-6.0)
    given = [noise(size) for size in (16000, 8500, 11000)]
    fast = on_a_gpu(accelerate(theirs))
    with caplog.at_level(logging.INFO, logger="espnet_mtla"):
        found = fast(given)
    assert "the encoder sees padding: it encodes utterances one by one" in caplog.text
    assert all(same(got, theirs(x)) for got, x in zip(found, given))


def test_little_padding_does_not_clear_an_encoder(tmp_path):
    """Batches of one length come first: they say nothing of those that follow."""
    save("asr", tmp_path, encoder="conformer", encoder_conf=SEE_PADDING["conformer"])
    theirs = speech2text("asr", tmp_path, beam_size=3, ctc_weight=0.3, maxlenratio=-6.0)
    fast = on_a_gpu(accelerate(theirs))
    fast([noise(16000), noise(15999)])
    assert fast.recognizer.encode.alone is None
    given = [noise(9000), noise(5000)]
    assert all(same(got, theirs(x)) for got, x in zip(fast(given), given))
    assert fast.recognizer.encode.alone


def test_an_encoder_that_does_not_see_padding(folder, caplog):
    theirs = speech2text("asr", folder, beam_size=2, maxlenratio=-4.0)
    fast = on_a_gpu(accelerate(theirs))
    frames = 640  # samples that are one for the encoder
    fast([noise(9000), noise(9000 - ENOUGH * frames)])
    assert fast.recognizer.encode.alone is False


def test_a_beam_wider_than_memory(folder, audio, tmp_path):
    theirs = speech2text("asr", folder, beam_size=10**9)
    with pytest.raises(InputError, match=r"^beam_size 10{9}: give an integer from"):
        accelerate(theirs)
    theirs = speech2text("asr", folder, beam_size=1000)
    theirs.beam_search.n_vocab = 10**9
    with pytest.raises(InputError, match=r"^beam_size 1000: .* 10{9} units .* GB"):
        accelerate(theirs)
    with pytest.raises(
        InputError, match="--beam_size 1000000000: give an integer from"
    ):
        inference("asr", command(folder, tmp_path, beam_size=10**9))


@pytest.mark.parametrize("ratio", [-3.0, 0.2])
def test_espnets_search_finds_the_same(folder, audio, tmp_path, ratio):
    """A ``minlenratio`` below zero is a number of tokens."""
    for search in ("fast", "espnet"):
        more = {"search": search, "output_dir": tmp_path / search, "minlenratio": ratio}
        inference("asr", command(folder, tmp_path, **more))
    ours, theirs = (found_in(tmp_path, search) for search in ("fast", "espnet"))
    assert ours == values(theirs)
    tokens = [ids.split() for table in ours[0] for ids in table.values()]
    assert all(len(ids) >= 3 for ids in tokens) or ratio > 0


@pytest.mark.parametrize("way", ["streaming", "time_sync"])
def test_ways_of_espnets_own(folder, audio, tmp_path, way, monkeypatch, caplog):
    """Its command gets all options that it has, of a file too."""
    module, got = compat.inference_module("asr"), []
    known = inspect.signature(module.inference)
    monkeypatch.setattr(module, "inference", lambda **given: got.append(given))
    ours = {"batch_frames": "3000x20", "search": "fast"}
    (tmp_path / "decode.yaml").write_text(yaml.safe_dump({"penalty": 0.25} | ours))
    more = {way: "true", "config": tmp_path / "decode.yaml", **ours}
    inference("asr", command(folder, tmp_path, **more))
    assert re.search(f"--{way}: decoded by ESPnet's own asr_inference", caplog.text)
    (given,) = got
    known.bind(**given)  # all that it takes, and nothing else
    assert given[way] is True and given["penalty"] == 0.25
    assert given["beam_size"] == 3 and given["batch_size"] == 1
    assert given["output_dir"] == f"{tmp_path}/out"


def test_espnets_own_ways_decode(audio, tmp_path):
    """The whole way, in blocks."""
    blocks = ENCODER | {"block_size": 8, "hop_size": 4, "look_ahead": 2}
    encoder = {"encoder": "contextual_block_transformer", "encoder_conf": blocks}
    model = save("asr", tmp_path / "model", **encoder)
    weights = torch.load(model / "model.pth")
    # ESPnet fails where all hypotheses end before the last block
    weights["decoder.output_layer.bias"][-1] = -1e4
    torch.save(weights, model / "model.pth")
    inference("asr", command(model, tmp_path, streaming="true", nbest=1))
    assert set(read_table(tmp_path / "out/1best_recog/text")) == set(SIZES)


@pytest.mark.parametrize("decoder", ESPNETS)
def test_models_that_espnet_decodes(decoder, audio, tmp_path, monkeypatch, caplog):
    """By itself, with the results that it finds; and the log says so."""
    loss = SimpleNamespace(RNNTLoss=lambda **options: torch.nn.Identity())
    monkeypatch.setitem(sys.modules, "warprnnt_pytorch", loss)
    decoder_conf, left = ESPNETS[decoder]
    ctc = 0.0 if decoder == "transducer" else 0.3
    model = {"ctc_weight": ctc}
    conf = {"decoder_conf": decoder_conf, "model_conf": model}
    conf["joint_net_conf"] = {"joint_space_size": 10}
    save("asr", tmp_path / "model", decoder=decoder, **conf)
    options = {"beam_size": 2, "nbest": 2, "maxlenratio": -5.0, "ctc_weight": ctc}
    theirs = speech2text("asr", tmp_path / "model", **options)
    with caplog.at_level(logging.INFO, logger="espnet_mtla"):
        fast = accelerate(theirs)
    assert f"left as ESPnet has it: {left}" in caplog.text
    assert "search in tensors" not in caplog.text
    files = [tmp_path / f"{name}.wav" for name in SIZES]
    given = [soundfile.read(file, dtype="float32")[0] for file in files]
    want = [theirs(x) for x in given]
    assert all(same(got, other) for got, other in zip(fast(given), want))
    short = fast.recognizer.decode([{"speech": noise(100)}, {"speech": given[0]}], "ab")
    assert short[0] == [] and same(short[1], want[0])
    # the command does the same
    inference("asr", command(tmp_path / "model", tmp_path, **options))
    table = read_table(tmp_path / "out/1best_recog/token_int")
    for name, other in zip(SIZES, want):
        ids = [i for i in result(other)[0][0] if i != 10]
        assert table[name] == " ".join(map(str, ids))


@pytest.mark.parametrize("error", [RuntimeError("no"), torch.OutOfMemoryError("full")])
def test_one_that_fails_costs_no_other_twice(tmp_path, error):
    """Where each is decoded alone, only it is; short it may be, but not too short."""
    conf, _ = ESPNETS["lightweight_conv"]
    save("asr", tmp_path, decoder="lightweight_conv", decoder_conf=conf)
    fast = accelerate(speech2text("asr", tmp_path, beam_size=2, maxlenratio=-3.0))
    inner, heard = fast.recognizer.inner, []
    kind = type(inner)

    def listening(self, enc):
        heard.append(len(enc))
        if len(heard) == 3:
            raise error
        return kind._decode_single_sample(self, enc)

    inner.__class__ = type(kind.__name__, (kind,), {"_decode_single_sample": listening})
    batch = [{"speech": noise(size)} for size in (7000, 6000, 5000, 4000)]
    found = fast.recognizer.decode(batch, "abcd")
    (failure,) = (result for result in found if isinstance(result, Failure))
    assert failure.name == "c" and str(error) in failure.reason
    assert len(heard) == 4 and found[3] and found[0]


def test_what_encoder_layers_say(tmp_path):
    """By CTC, in a batch as alone."""
    between = {"num_blocks": 3, "interctc_layer_idx": [1, 2]}
    encoder = ENCODER | between | {"interctc_use_conditioning": True}
    model = {"ctc_weight": 0.3, "interctc_weight": 0.3}
    save("asr", tmp_path, encoder_conf=encoder, model_conf=model, spread=0.4)
    theirs = speech2text("asr", tmp_path, beam_size=3, ctc_weight=0.3, maxlenratio=-6.0)
    given = [noise(random.randint(4000, 16000)) for _ in range(4)]
    want = [theirs(x) for x in given]
    assert any(layers for _, layers in want) and isinstance(want[0], tuple)
    assert all(same(got, x) for got, x in zip(accelerate(theirs)(given), want))
