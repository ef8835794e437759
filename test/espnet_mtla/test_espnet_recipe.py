"""ESPnet's own scripts with ``--python "python3 -m espnet_mtla"``, from statistics to text."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from espnet_mtla.files import read_table
from espnet_mtla.task import TASKS

HERE = Path(__file__).parent
LETTERS = "abcdefgh"
TRAINING = {
    "encoder": "transformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 16,
        "num_blocks": 1,
    },
    "decoder": "mtla",
    "decoder_conf": {"attention_heads": 2, "linear_units": 16, "num_blocks": 1},
    "batch_type": "sorted",
    "batch_size": 4,
    "max_epoch": 1,
    "keep_nbest_models": 1,
    "best_model_criterion": [["valid", "acc", "max"]],
    "num_workers": 0,
    "num_att_plot": 0,
    "use_tensorboard": False,
    "use_matplotlib": False,
}
SPEECH = {"frontend_conf": {"fs": 16000, "n_fft": 256, "hop_length": 160, "n_mels": 20}}
OF_A_TASK = {
    "asr": {**SPEECH, "model_conf": {"ctc_weight": 0.3}},
    "st": {**SPEECH, "model_conf": {"asr_weight": 0.3, "mtlalpha": 1.0}},
    "slu": {**SPEECH, "model_conf": {"ctc_weight": 0.3}},
    "mt": {"encoder_conf": TRAINING["encoder_conf"] | {"input_layer": "linear"}},
}
DECODING = {"beam_size": 3, "dtype": "float64", "minlenratio": 0.3, "maxlenratio": -8}


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """``python3 -m espnet_mtla`` without the time that importing ESPnet takes."""
    path = tmp_path_factory.mktemp("warm") / "socket"
    script = [sys.executable, str(HERE / "warm.py")]
    server = subprocess.Popen([*script, "serve", str(path)])
    while not path.exists():
        assert server.poll() is None
        time.sleep(0.1)
    yield " ".join([*script, "ask", str(path)])
    server.terminate()
    server.wait()


@pytest.fixture
def recipe(tmp_path):
    """Writes what a recipe's first stages leave; returns its folder."""

    def write(task):
        names = [f"u{i}" for i in range(6)]
        texts = {name: "".join(random.choices(LETTERS, k=5)) for name in names}
        for name in names:
            soundfile.write(tmp_path / f"{name}.wav", np.random.randn(9000) / 9, 16000)
        lines = {
            "wav.scp": [f"{name} {tmp_path}/{name}.wav\n" for name in names],
            "text": [f"{name} {text}\n" for name, text in texts.items()],
            "src_text": [f"{name} {text[::-1]}\n" for name, text in texts.items()],
        }
        for part in ("train", "test"):
            (tmp_path / "data" / part).mkdir(parents=True)
            for name, content in lines.items():
                (tmp_path / "data" / part / name).write_text("".join(content))
        tokens = ["<blank>", "<unk>", *LETTERS, "<sos/eos>"]
        (tmp_path / "tokens.txt").write_text("".join(f"{t}\n" for t in tokens))
        training = TRAINING | OF_A_TASK[task]
        (tmp_path / "train.yaml").write_text(yaml.safe_dump(training))
        ctc = {"ctc_weight": 0.3} if task in ("asr", "slu") else {}
        (tmp_path / "decode.yaml").write_text(yaml.safe_dump(DECODING | ctc))
        return tmp_path

    return write


def call(folder, task, python, *words, **environment):
    """Run some stages; their output is shown where they fail."""
    done = subprocess.run(
        [HERE / "espnet_recipe.sh", task, python, *words],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0


def shake(checkpoint):
    """Make weights large enough to tell inputs apart; training for that takes longer."""
    weights = torch.load(checkpoint)
    for name, weight in weights.items():
        if weight.is_floating_point() and not name.startswith("normalize"):
            weight.add_(0.5 * torch.randn_like(weight))
    torch.save(weights, checkpoint)


def result(folder):
    """Tokens and score of each utterance.

    ESPnet leaves the second of two ends of sentence in, and writes scores as tensors.
    """
    end = f" {len(LETTERS) + 2}"
    tokens, scores = (read_table(folder / name) for name in ("token_int", "score"))
    numbers = {k: v.removeprefix("tensor(").split(",")[0] for k, v in scores.items()}
    return {
        name: (found.removesuffix(end), float(numbers[name].rstrip(")")))
        for name, found in tokens.items()
    }


@pytest.mark.parametrize("task", [t for t in TASKS if TASKS[t].scorer])
def test_the_search_finds_what_espnet_finds(recipe, warm, task):
    """Training is by processes of their own in one task, as all of it is for a user."""
    folder = recipe(task)
    python = f"{sys.executable} -m espnet_mtla" if task == "asr" else warm
    call(folder, task, warm, "statistics")
    call(folder, task, python, "training")
    config = yaml.safe_load((folder / "exp/model/config.yaml").read_text())
    assert config["decoder"] == "mtla"
    shake(folder / "exp/model/valid.acc.ave.pth")
    call(folder, task, warm, "decoding", "fast")
    call(folder, task, warm, "decoding", "espnet", ESPNET_MTLA_SEARCH="espnet")
    ours, theirs = (result(folder / name) for name in ("fast", "espnet"))
    assert ours.keys() == read_table(folder / "data/test/text").keys()
    for name, (tokens, score) in theirs.items():
        assert ours[name] == (tokens, pytest.approx(score, abs=1e-4))
    assert len(set(ours.values())) == len(ours)
    words = list(read_table(folder / "fast/text").values())
    assert (folder / "fast/hyp.trn").read_text().splitlines() == words
    for job in (1, 2):
        log = (folder / f"fast/logdir/inference.{job}.log").read_text()
        assert "--batch_size 1 is what ESPnet's scripts give" in log
        cost = folder / f"fast/logdir/output.{job}/efficiency.json"
        assert json.loads(cost.read_text())["batch_size"] == 0
    assert not list(folder.glob("espnet/**/efficiency.json"))
