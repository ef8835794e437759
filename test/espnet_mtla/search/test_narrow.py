"""Models computing in bfloat16: near float32, in every task, their weights untouched."""

import random

import pytest
import torch
from models import S2T, TOKENS, save, save_lm, speech2text

from espnet_mtla import accelerate, onednn
from espnet_mtla.errors import InputError
from espnet_mtla.search import narrow
from espnet_mtla.search.asking import Question
from espnet_mtla.search.decoding import inference
from espnet_mtla.search.encoding import Encoding
from espnet_mtla.task import TASKS

EPS = torch.finfo(torch.bfloat16).eps


@pytest.fixture(autouse=True)
def multiplies(monkeypatch):
    """A CPU without it computes it too, and slowly."""
    monkeypatch.setattr(narrow, "multiplies_bfloat16", lambda: True)


def inputs(task):
    if TASKS[task].hears:
        return [torch.randn(random.randint(4000, 9000)) / 10 for _ in range(4)]
    return [torch.randint(2, 10, (random.randint(4, 12),)) for _ in range(4)]


@pytest.mark.parametrize("decoder", ["transformer", "mtla"])
@pytest.mark.parametrize("task", TASKS)
def test_scores_are_near_those_of_float32(task, decoder, tmp_path):
    """The best of many hypotheses is no farther off than any hypothesis."""
    folder = save(task, tmp_path / "model", decoder=decoder)
    sizes = {"layer": 1, "unit": 16, "att_unit": 16, "embed_unit": 8, "head": 2}
    lm = save_lm(tmp_path / "lm", S2T if task == "s2t" else TOKENS, **sizes)
    options = {"beam_size": 10, "maxlenratio": -5.0, "nbest": 1, "lm_weight": 0.2}
    options["ctc_weight"] = 0.3 if task in ("asr", "slu") else 0.0
    theirs = speech2text(task, folder, lm, **options)
    model = getattr(theirs, f"{TASKS[task].held_as}_model")
    before = {name: p.clone() for name, p in model.named_parameters()}
    fast = accelerate(theirs, dtype="bfloat16")
    recognizer = fast.recognizer
    assert recognizer.put[0] == "bfloat16 (encoder)"
    for name in ("decoder", "lm"):
        assert f"cached keys and values in bfloat16 ({name})" in recognizer.put
        view = recognizer.inner.beam_search.scorers[name]
        assert {p.dtype for p in view.parameters()} == {torch.bfloat16}
    given = inputs(task)
    together = fast(given)
    for x, (found, *_) in zip(given, together):
        want = float(theirs(x)[0][-1].score)
        score = found[-1].score
        assert float(score) == pytest.approx(want, rel=8 * EPS, abs=0.2)
        assert float(score) != want  # it was not float32
        alone = float(fast(x)[0][-1].score)
        assert alone == pytest.approx(float(score), rel=4 * EPS, abs=0.1)
    for name, p in model.named_parameters():
        assert p.dtype == torch.float32 and torch.equal(p, before[name])


@pytest.mark.parametrize("encoder", ["transformer", "conformer", "rnn"])
def test_encoders(encoder, tmp_path):
    """Outputs are float32, near the model's, and joined where the model's are."""
    conf = {} if encoder == "transformer" else {"encoder": encoder}
    if encoder == "rnn":
        conf["encoder_conf"] = {"hidden_size": 24, "output_size": 24, "num_layers": 1}
    elif encoder == "conformer":
        conf["encoder_conf"] = {
            "output_size": 24,
            "attention_heads": 2,
            "linear_units": 16,
            "num_blocks": 1,
            "rel_pos_type": "latest",
            "pos_enc_layer_type": "rel_pos",
            "selfattention_layer_type": "rel_selfattn",
        }
    theirs = speech2text("asr", save("asr", tmp_path, **conf))
    model = theirs.asr_model
    narrowed = narrow.narrow_encoder(model)
    assert isinstance(narrowed, type(model))
    questions = []
    for x in sorted(inputs("asr"), key=len, reverse=True):
        lengths = torch.tensor([len(x)])
        questions.append(Question({"speech": x[None], "speech_lengths": lengths}, None))
    seen = []
    model.normalize.register_forward_pre_hook(lambda m, given: seen.append(given[0]))
    encoding = Encoding(narrowed, judged=model)
    for question, (found, n) in zip(questions, encoding(questions)):
        with torch.no_grad():
            want, _ = model.encode(**question.inputs)
        out = found[0]
        assert out.dtype == torch.float32 and out.shape == want.shape == (1, n, 24)
        off = (out - want).norm() / want.norm()
        assert 0 < off < 2 * EPS
    assert not encoding.alone
    assert {spectra.dtype for spectra in seen} == {torch.float32}


def test_an_encoder_that_sees_padding_is_found(tmp_path):
    """By what float32 tells: bfloat16 rounds by more than padding may change."""
    conf = {"output_size": 24, "attention_heads": 2, "linear_units": 16}
    conf |= {"num_blocks": 1, "rel_pos_type": "legacy"}
    theirs = speech2text(
        "asr", save("asr", tmp_path, encoder="conformer", encoder_conf=conf)
    )
    fast = accelerate(theirs, dtype="bfloat16")
    fast.recognizer.encode.alone = None  # as on a GPU
    given = [torch.randn(size) / 10 for size in (16000, 11000)]
    found = [float(nbest[0][-1].score) for nbest in fast(given)]
    assert fast.recognizer.encode.alone
    assert found == [float(fast(x)[0][-1].score) for x in given]


def test_where_it_cannot_be_it_is_refused(tmp_path, monkeypatch):
    folder = save("asr", tmp_path)
    theirs = speech2text("asr", folder)
    with pytest.raises(InputError, match="dtype float16: give bfloat16, or load"):
        accelerate(theirs, dtype="float16")
    assert accelerate(theirs, dtype="float32").recognizer.dtype is None
    lm = save_lm(tmp_path / "lm")
    for other in (
        {"dtype": "float64"},
        {"quantize_asr_model": True},
        {"lm": lm, "quantize_lm": True},
    ):
        with pytest.raises(InputError, match="load the model in float32"):
            accelerate(speech2text("asr", folder, **other), dtype="bfloat16")
    # a machine without it
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    found = onednn.multiplies_bfloat16.__wrapped__
    monkeypatch.setattr(narrow, "multiplies_bfloat16", found)
    with pytest.raises(InputError, match="this CPU multiplies it slowly .*give float"):
        accelerate(theirs, dtype="bfloat16")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda emulated: emulated)
    with pytest.raises(InputError, match="this GPU multiplies it slowly .*give float"):
        narrow.check_narrow("cuda")


def test_the_command(tmp_path):
    """``--dtype bfloat16`` is what :func:`accelerate` does."""
    folder = save("mt", tmp_path)
    texts = ["abca", "hgfedc", "bb"]
    (tmp_path / "text").write_text(
        "".join(f"u{i} {text}\n" for i, text in enumerate(texts))
    )
    words = [
        f"--data_path_and_name_and_type={tmp_path}/text,src_text,text",
        f"--mt_train_config={folder}/config.yaml",
        f"--mt_model_file={folder}/model.pth",
        f"--output_dir={tmp_path}/out",
        "--beam_size=3",
        "--maxlenratio=-6",
        "--ctc_weight=0",
        "--log_level=WARNING",
        "--dtype=bfloat16",
    ]
    inference("mt", words)
    theirs = speech2text("mt", folder, beam_size=3, maxlenratio=-6.0, ctc_weight=0.0)
    fast = accelerate(theirs, dtype="bfloat16")
    tokens = [[theirs.converter.token2id[c] for c in text] for text in texts]
    want = fast([torch.tensor(ids) for ids in tokens])
    scores = (tmp_path / "out/1best_recog/score").read_text().split("\n")[:3]
    for line, nbest in zip(scores, want):
        found = float(line.partition("tensor(")[2].rstrip(")") or line.split()[1])
        assert found == pytest.approx(float(nbest[0][-1].score), abs=1e-3)
    with pytest.raises(InputError, match="--dtype bfloat16: not with --search espnet"):
        inference("mt", [*words, "--search=espnet"])
    named = [word.replace("_mt_", "_").replace("mt_", "asr_") for word in words[1:]]
    with pytest.raises(InputError, match="not with --quantize_asr_model; give float"):
        inference(
            "asr",
            [
                "--data_path_and_name_and_type=x,speech,sound",
                *named,
                "--quantize_asr_model=true",
            ],
        )
