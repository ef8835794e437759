"""ESPnet's objects of every task, accelerated: the same results, alone and in batches."""

import logging
import random

import numpy as np
import pytest
import soundfile
import torch
from models import S2T, TOKENS, save, save_lm, speech2text

from espnet_mtla import accelerate, onednn
from espnet_mtla.accelerated import SomeFailed
from espnet_mtla.search.fast import FastBeamSearch
from espnet_mtla.search.packed import PackedLinear
from espnet_mtla.search.view import SearchView
from espnet_mtla.task import TASKS


def inputs(task, n=5):
    """Utterances of noise, or texts of ids."""
    if TASKS[task].hears:
        return [torch.randn(random.randint(3000, 16000)) / 10 for _ in range(n)]
    return [torch.randint(1, 10, (random.randint(3, 20),)) for _ in range(n)]


def assert_same(got, want):
    """The same n-best list, in ESPnet's types."""
    assert type(got) is type(want) and len(got) == len(want)
    for (*ours, hypothesis), (*theirs, other) in zip(got, want):
        assert ours == theirs and type(hypothesis) is type(other)
        assert torch.equal(hypothesis.yseq, other.yseq)
        assert float(hypothesis.score) == pytest.approx(float(other.score), abs=1e-4)
        assert set(hypothesis.scores) == set(other.scores)
        for name, score in other.scores.items():
            assert float(hypothesis.scores[name]) == pytest.approx(
                float(score), abs=1e-3
            )


@pytest.fixture(scope="module", params=TASKS)
def made(request, tmp_path_factory):
    """ESPnet's object of each task, with a language model and CTC where it takes one."""
    task, folder = request.param, tmp_path_factory.mktemp(request.param)
    tokens = S2T if task == "s2t" else TOKENS
    lm = save_lm(
        folder / "lm", tokens, layer=1, unit=16, att_unit=16, embed_unit=8, head=2
    )
    options = {"asr": {"ctc_weight": 0.3}, "slu": {"ctc_weight": 0.3}}
    options["mt"] = {"ctc_weight": 0.0}
    theirs = speech2text(
        task,
        save(task, folder),
        lm,
        lm_weight=0.2,
        beam_size=4,
        nbest=3,
        maxlenratio=-8.0,
        **options.get(task, {}),
    )
    return task, theirs


def test_results_are_espnets(made):
    task, theirs = made
    given = inputs(task)
    want = [theirs(x) for x in given]
    fast = accelerate(theirs)
    assert isinstance(fast, type(theirs)) and fast.original is theirs
    assert isinstance(fast.beam_search, FastBeamSearch)
    for name in ("decoder", "lm"):
        assert isinstance(fast.beam_search.scorers[name], SearchView)
    for x, result in zip(given, want):
        assert_same(fast(x), result)
        assert_same(fast(x.numpy()), result)
    for found in (fast(given), accelerate(theirs, batch_size=2)(tuple(given))):
        assert len(found) == len(want)
        for got, result in zip(found, want):
            assert_same(got, result)


def test_espnets_object_stays_as_it_is(made):
    task, theirs = made
    model = getattr(theirs, f"{TASKS[task].held_as}_model")
    search = theirs.beam_search
    parts, weights = (
        dict(vars(search)),
        {k: v.clone() for k, v in model.state_dict().items()},
    )
    scorers = dict(search.scorers)
    given = inputs(task, 2)
    want = theirs(given[0])
    with accelerate(theirs) as fast:
        assert type(fast) is not type(theirs)
        fast(given)
    assert type(fast) is type(theirs) and fast.beam_search is search
    assert type(search).__name__ == "BatchBeamSearch" and search.scorers == scorers
    assert {k: v for k, v in vars(search).items() if k in parts}.keys() == parts.keys()
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name])
    assert_same(fast(given[0]), want)


def test_what_is_put_in_is_said(made, caplog):
    with caplog.at_level(logging.INFO, logger="espnet_mtla"):
        accelerate(made[1])
    assert "put in: " in caplog.text
    assert "cached keys and values (decoder)" in caplog.text
    assert "left as ESPnet has it" not in caplog.text


@pytest.mark.skipif(not onednn.AVAILABLE, reason="PyTorch is without oneDNN")
def test_onednn_multiplies_in_the_encoder(made, monkeypatch):
    task, theirs = made
    fast = accelerate(theirs)
    assert "products of oneDNN (encoder)" in fast.recognizer.put
    model = fast.recognizer.model
    there = {m for m in model.encoder.modules() if isinstance(m, torch.nn.Linear)}
    assert there and {type(m) for m in there} == {PackedLinear}
    assert not any(isinstance(m, PackedLinear) for m in model.decoder.modules())
    weights, one = [], onednn.linear
    monkeypatch.setattr(
        onednn, "linear", lambda x, w, b: weights.append(w) or one(x, w, b)
    )
    (x,) = inputs(task, 1)
    fast(x)
    assert {id(m.weight) for m in there} <= {id(w) for w in weights}


def test_options_set_later_count(made):
    """As those of ESPnet's object do."""
    task, theirs = made
    fast, (x, y) = accelerate(theirs), inputs(task, 2)
    fast.nbest, fast.maxlenratio = 1, -3.0
    found = [fast(x), *fast([x, y])]
    assert all(len(result) == 1 for result in found)
    primer = 3 if task == "s2t" else 0  # which its tokens begin with
    assert all(len(result[0][2]) <= 3 + primer for result in found)
    assert theirs.nbest == 3 and theirs.maxlenratio == -8.0


def test_audio_files(made, tmp_path):
    task, theirs = made
    if not TASKS[task].hears:
        with pytest.raises(
            ValueError, match="^a.wav: give src_text as ids of its units"
        ):
            accelerate(theirs)("a.wav")
        return
    given = [np.random.randn(n).astype(np.float32) / 10 for n in (5000, 9000)]
    files = [tmp_path / "a.flac", tmp_path / "b.wav"]
    for file, x in zip(files, given):
        soundfile.write(file, x, 16000)
    fast = accelerate(theirs)
    want = [fast(soundfile.read(file, dtype="float32")[0]) for file in files]
    for got, result in zip(fast([str(files[0]), files[1]]), want):
        assert_same(got, result)
    soundfile.write(tmp_path / "c.wav", given[0], 8000)
    with pytest.raises(ValueError, match=r"gone.wav: no audio file"):
        fast(tmp_path / "gone.wav")
    with pytest.raises(SomeFailed, match=r"^2 of 4 .*c.wav: 8000 Hz, .*16000") as e:
        fast([files[0], tmp_path / "c.wav", tmp_path / "gone.wav", files[1]])
    assert_same(e.value.results[0], want[0])
    assert_same(e.value.results[3], want[1])
    assert e.value.results[1].name == str(tmp_path / "c.wav")


def test_what_is_no_input_is_said(made):
    task, theirs = made
    fast, (x,) = accelerate(theirs), inputs(task, 1)
    for bad, kind in ((3, "int"), (None, "NoneType"), ({"speech": x}, "dict")):
        with pytest.raises(ValueError, match=f"^input 0: {kind} is no "):
            fast(bad)
    assert fast([]) == []
    with pytest.raises(TypeError, match="batch_frames"):
        fast(x, batch_frames=3)
    with pytest.raises(ValueError, match="batch_frames x: give FRAMES"):
        accelerate(theirs, batch_frames="x")
    with pytest.raises(ValueError, match="batch_size -1: give"):
        accelerate(theirs, batch_size=-1)
    with pytest.raises(ValueError, match="str is no Speech2Text of ESPnet's"):
        accelerate("model")
    if TASKS[task].hears:
        with pytest.raises(
            ValueError, match=r"shape is \(2, 9000\): give samples first"
        ):
            fast(torch.randn(2, 9000))


@pytest.fixture(scope="module")
def owsm(tmp_path_factory):
    """An S2T model with random weights."""
    return save("s2t", tmp_path_factory.mktemp("owsm"), spread=0.3)


@pytest.mark.parametrize("ctc_weight", [0.0, 0.3, 1.0])
def test_owsm(owsm, ctc_weight):
    """Languages, tasks, timestamps and earlier text, of one length or several."""
    theirs = speech2text(
        "s2t", owsm, beam_size=4, nbest=2, ctc_weight=ctc_weight, maxlenratio=-7.0
    )
    fast, given = accelerate(theirs), inputs("s2t", 4)
    asked = [
        {"lang_sym": "<deu>", "task_sym": "<st_eng>"},
        {"text_prev": torch.tensor([4, 5, 6])},
    ]
    if not ctc_weight:
        asked.append({"predict_time": True})
    for options in asked:
        want = [theirs(x, **options) for x in given]
        for got, result in zip(fast(given, **options), want):
            assert_same(got, result)
    items = [
        {"speech": x, "text_prev": random.choice([None, torch.arange(3, 3 + i)])}
        for i, x in enumerate(given, 1)
    ]
    found = fast.recognizer.decode(items, list("abcd"))
    for item, got in zip(items, found):
        assert_same(got, theirs(**item))


def test_long_recordings(owsm):
    theirs = speech2text("s2t", owsm, beam_size=3, predict_time=True, maxlenratio=-9.0)
    theirs.sample_rate, theirs.frames_per_sec = 16000, 25.0
    theirs.tokenizer = type("Joined", (), {"tokens2text": staticmethod("".join)})()
    speech = torch.randn(40000) / 10
    assert accelerate(theirs).decode_long(speech) == theirs.decode_long(speech)


def test_nothing_is_searched_behind_the_end(owsm):
    """A ``maxlenratio`` of 1 costs no more than one of 0 (espnet#6675)."""
    theirs = speech2text("s2t", owsm, beam_size=3, maxlenratio=1.0)
    decoder = theirs.s2t_model.decoder
    decoder.output_layer.bias.data[-1] = 6.0  # texts end soon
    fast, given = accelerate(theirs), inputs("s2t", 3)
    steps = []
    view = fast.beam_search.scorers["decoder"]
    score = view.batch_score
    view.batch_score = lambda *args, **kw: steps.append(0) or score(*args, **kw)
    want = [theirs(x) for x in given]
    for x, got, result in zip(given, fast(given), want):
        assert_same(got, result)
    frames = theirs.s2t_model.encode(*(torch.ones(1, 16000), torch.tensor([16000])))
    assert len(steps) < frames[0].shape[1] / 2
