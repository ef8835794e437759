"""What decoding writes, and that it goes on where it was killed."""

import json
import os
import random
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from models import paths, save

from espnet_mtla.search.decoding import inference
from espnet_mtla.search.outputs import Journal, Outputs, write_outputs
from espnet_mtla.search.recognizer import Recognizer

EOS = 9
A = {"text": "a b", "token": "a b", "token_int": "2 3", "score": "-1.5"}
B = A | {"text": "b", "score": "-2.5"}


@pytest.fixture
def outputs():
    tokenizer = SimpleNamespace(tokens2text="".join)
    return Outputs(SimpleNamespace(tokenizer=tokenizer), EOS)


def hypothesis(score=-1.5):
    return SimpleNamespace(score=score)


def columns(text, token, token_int, score="-1.5", **more):
    return {"text": text, "token": token, "token_int": token_int, "score": score} | more


def test_columns_of_speech_and_text(outputs):
    """ASR, ST, SLU, MT: text, units, their ids, and what the search found."""
    results = [
        ("ab", ["a", "b"], [2, 3], hypothesis()),
        ("ab", ["a", "b", "<eos>"], [2, 3, EOS], hypothesis(-2.0)),
        ("", [], [], hypothesis(-3.0)),
        (None, ["a", "b"], [2, 3], hypothesis(-4.0)),
        (None, ["a", "<eos>"], [2, EOS], hypothesis(-5.0)),
        ("a", ["<eos>", "a"], [EOS, 2], hypothesis(-6.0)),
    ]
    assert outputs.columns(results) == [
        columns("ab", "a b", "2 3"),
        columns("ab", "a b", "2 3", "-2.0"),
        columns("", "", "", "-3.0"),
        columns("a b", "a b", "2 3", "-4.0"),
        columns("a", "a", "2", "-5.0"),
        columns("a", "<eos> a", f"{EOS} 2", "-6.0"),
    ]
    assert outputs.columns([]) == []


def test_columns_of_s2t(outputs):
    results = [
        ("<en>ab", ["<en>", "a", "b"], [7, 2, 3], "ab", hypothesis()),
        (None, ["a"], [2], None, hypothesis()),
    ]
    assert outputs.columns(results) == [
        columns("<en>ab", "<en> a b", "7 2 3", text_nospecial="ab"),
        columns("a", "a", "2"),
    ]


def test_columns_of_encoder_layers(outputs):
    """By CTC: one of them, beside the best hypothesis."""
    found = [("ab", ["a", "b"], [2, 3], hypothesis())] * 2
    layers = {3: ["a", "c"], 6: []}
    best, second = outputs.columns((found, layers))
    assert second == columns("ab", "a b", "2 3")
    names = {"encoder_interctc_layer3.txt": "a c", "encoder_interctc_layer6.txt": ""}
    assert best == second | names
    assert outputs.columns(([], layers)) == []


def test_files_are_in_order_and_whole(tmp_path):
    best = A | {"text_nospecial": "x"}
    write_outputs(tmp_path, ["u2", "u1", "u3"], {"u1": [best, B], "u2": [B]}, 2)
    found = {
        str(path.relative_to(tmp_path)): path.read_text()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert found == {
        "text": "u2 b\nu1 a b\nu3\n",
        "1best_recog/text": "u2 b\nu1 a b\nu3\n",
        "1best_recog/token": "u2 a b\nu1 a b\nu3\n",
        "1best_recog/token_int": "u2 2 3\nu1 2 3\nu3\n",
        "1best_recog/score": "u2 -2.5\nu1 -1.5\nu3\n",
        "1best_recog/text_nospecial": "u2\nu1 x\nu3\n",
        "2best_recog/text": "u2\nu1 b\nu3\n",
        "2best_recog/token": "u2\nu1 a b\nu3\n",
        "2best_recog/token_int": "u2\nu1 2 3\nu3\n",
        "2best_recog/score": "u2\nu1 -2.5\nu3\n",
    }


def test_a_journal_keeps_what_was_found(tmp_path):
    path, about = tmp_path / "journal", {"beam": 3, "words": "ä"}
    first = Journal(path, about)
    assert first.found == {} and first.seconds == 0
    first.add({"u1": [A, B], "ü": []}, 1.25)
    first.add({}, 0.5)  # of a batch that failed
    first.add({"u3": [B]}, 0.25)
    again = Journal(path, about)
    assert again.found == {"u1": [A, B], "ü": [], "u3": [B]}
    assert again.seconds == 2.0
    again.remove()
    assert not path.exists()


@pytest.mark.parametrize("left", [1, 20, -1])
def test_a_line_cut_short_is_dropped(tmp_path, left):
    path = tmp_path / "journal"
    journal = Journal(path, {})
    journal.add({"u1": [A]}, 1.0)
    whole = path.read_bytes()
    journal.add({"u2": [B]}, 1.0)
    last = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + last[:left])
    again = Journal(path, {})
    assert again.found == {"u1": [A]} and path.read_bytes() == whole
    again.add({"u2": [B]}, 1.0)
    assert Journal(path, {}).found == {"u1": [A], "u2": [B]}


@pytest.mark.parametrize("ruin", [b"", b"{", b"\xff\xfe\n{}\n", b"\0" * 50, b"\n\n"])
def test_what_is_no_journal_is_dropped(tmp_path, ruin):
    path = tmp_path / "journal"
    path.write_bytes(ruin)
    assert Journal(path, {}).found == {}
    assert Journal(path, {}).found == {}


@pytest.mark.parametrize("ruin", [b"\0\0\0\0\n", b"\xff\n", b"{}\n", b"[1]\n"])
def test_a_ruined_line_costs_what_is_behind_it(tmp_path, ruin):
    """As a machine may leave it that lost its power."""
    path = tmp_path / "journal"
    journal = Journal(path, {})
    journal.add({"u1": [A]}, 1.0)
    whole = path.read_bytes()
    path.write_bytes(whole + ruin)
    journal.add({"u2": [B]}, 1.0)
    assert Journal(path, {}).found == {"u1": [A]}
    assert path.read_bytes() == whole


def test_another_decodings_journal_is_dropped(tmp_path):
    path = tmp_path / "journal"
    Journal(path, {"beam": 3}).add({"u1": [A]}, 1.0)
    assert Journal(path, {"beam": 4}).found == {}
    assert Journal(path, {"beam": 3}).found == {}


NAMES = [f"u{i}" for i in range(8)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, and a test set of noise."""
    folder = save("asr", tmp_path_factory.mktemp("asr"))
    sizes = np.random.randint(4000, 12000, len(NAMES))
    for name, size in zip(NAMES, sizes):
        soundfile.write(folder / f"{name}.wav", np.random.randn(size) / 10, 16000)
    np.random.shuffle(NAMES)
    lines = [f"{name} {folder}/{name}.wav\n" for name in NAMES]
    (folder / "wav.scp").write_text("".join(lines))
    return folder


def command(folder, out, **more):
    given = {
        "data_path_and_name_and_type": f"{folder}/wav.scp,speech,sound",
        **paths(folder, "asr"),
        "output_dir": out,
        "beam_size": 3,
        "nbest": 2,
        "ctc_weight": 0.3,
        "maxlenratio": -6,
        "batch_size": 2,
        "log_level": "ERROR",
        **more,
    }
    return [word for k, v in given.items() for word in (f"--{k}", str(v))]


def written(out):
    """All files but ``efficiency.json``, which has times in it."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.name != "efficiency.json"
    }


@pytest.fixture(scope="module")
def undisturbed(folder):
    inference("asr", command(folder, folder / "undisturbed"))
    return written(folder / "undisturbed")


def batches_from_here(monkeypatch, stop_at=None):
    """Watch the batches that are decoded; be interrupted in one of them."""
    decoded, decode = [], Recognizer.decode

    def watched(self, batch, names):
        if len(decoded) == stop_at:
            raise KeyboardInterrupt
        decoded.append(list(names))
        return decode(self, batch, names)

    monkeypatch.setattr(Recognizer, "decode", watched)
    return decoded


def test_an_interrupted_decoding_goes_on(folder, tmp_path, undisturbed, monkeypatch):
    with monkeypatch.context() as patch:
        first = batches_from_here(patch, stop_at=random.randint(1, 3))
        with pytest.raises(KeyboardInterrupt):
            inference("asr", command(folder, tmp_path))
    assert (tmp_path / ".journal").exists() and not (tmp_path / "text").exists()
    # what hypotheses do not depend on may change
    rest = batches_from_here(monkeypatch)
    inference("asr", command(folder, tmp_path, log_level="CRITICAL"))
    assert sorted(n for names in first + rest for n in names) == sorted(NAMES)
    assert written(tmp_path) == undisturbed
    cost = json.loads((tmp_path / "efficiency.json").read_text())
    assert cost["utterances"] == len(NAMES)


@pytest.mark.parametrize("change", ["option", "model", "data"])
def test_another_decoding_begins_anew(folder, tmp_path, change, monkeypatch):
    more = {}
    with monkeypatch.context() as patch:
        batches_from_here(patch, stop_at=2)
        with pytest.raises(KeyboardInterrupt):
            inference("asr", command(folder, tmp_path))
    if change == "option":
        more = {"penalty": 0.5}
    elif change == "model":
        os.utime(folder / "model.pth", (1, 1))
    else:
        more = {"key_file": tmp_path / "keys"}
        (tmp_path / "keys").write_text("".join(f"{n}\n" for n in NAMES[1:]))
    decoded = batches_from_here(monkeypatch)
    inference("asr", command(folder, tmp_path, **more))
    wanted = NAMES[1:] if change == "data" else NAMES
    assert sorted(n for names in decoded for n in names) == sorted(wanted)


def test_a_killed_decoding_goes_on(folder, tmp_path, undisturbed, monkeypatch):
    """SIGKILL, of a process that is in the middle of its third batch."""
    child = os.fork()
    if child == 0:
        try:
            decode, batches = Recognizer.decode, []

            def killed(self, batch, names):
                batches.append(names)
                if len(batches) == 3:
                    os.kill(os.getpid(), signal.SIGKILL)
                return decode(self, batch, names)

            Recognizer.decode = killed
            inference("asr", command(folder, tmp_path))
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    rest = batches_from_here(monkeypatch)
    inference("asr", command(folder, tmp_path))
    assert len(rest) == len(NAMES) / 2 - 2
    assert written(tmp_path) == undisturbed
