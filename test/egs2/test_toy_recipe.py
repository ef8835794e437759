"""The recipe that CONTRIBUTING.md adds, in a copy of the tree, run by its words alone."""

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"train": 30, "dev": 4, "test": 5}
WORDS = [
    "the",
    "a",
    "small",
    "large",
    "dog",
    "cat",
    "sees",
    "hears",
    "likes",
    "near",
    "far",
    "house",
    "tree",
]


@pytest.fixture
def clone(tmp_path):
    """A tree with the three files of the page, and nothing else that is new."""
    clone = tmp_path / "clone"
    ignore = shutil.ignore_patterns("data", "dump", "exp", "__pycache__")
    for name in ("espnet_mtla", "egs2/TEMPLATE", "conf"):
        shutil.copytree(ROOT / name, clone / name, ignore=ignore)
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    blocks = re.findall(r"```(?:python|sh)\n# (\S+toy\S*)\n(.*?)```", page, re.DOTALL)
    assert [Path(name).name for name, _ in blocks] == [
        "toy.py",
        "prepare_toy.py",
        "run.sh",
    ]
    for name, text in blocks:
        path = clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    path.chmod(0o755)
    return clone


@pytest.fixture
def corpus(tmp_path):
    """Noise whose loudness is all there is to hear."""
    corpus = tmp_path / "toy_v1"
    (corpus / "wav").mkdir(parents=True)
    for name, size in SIZES.items():
        lines = []
        for i in range(size):
            utterance = f"{name}{i % 3}-{i:03d}"
            lines.append(f"{utterance}\t{' '.join(random.choices(WORDS, k=6))}\n")
            audio = np.random.randn(random.randint(16000, 24000)) * 0.05
            soundfile.write(corpus / f"wav/{utterance}.wav", audio, 16000)
        (corpus / f"{name}.tsv").write_text("".join(lines))
    return corpus


def run(clone, recipe, corpus, *options):
    words = [clone / f"egs2/toy/{recipe}/run.sh", "--toy", corpus, "--ngpu", "0"]
    return subprocess.run(
        [*words, "--python", sys.executable, *options],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_recognition(clone, corpus):
    args = "--max_epoch 1 --batch_bins 500000"
    options = ["--asr_args", args, "--decoder", "mla", "--nbpe", "30"]
    done = run(clone, "asr1", corpus, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  train: 30 utterances\n" in done.stdout
    assert re.search(r"^\| mla \| +[0-9.]+ \|", done.stdout, flags=re.MULTILINE)
    exp = (
        clone
        / "egs2/toy/asr1/exp/asr_train_asr_mini_mla_max_epoch_1_batch_bins_500000_nbpe30"
    )
    config = yaml.safe_load((exp / "config.yaml").read_text())
    assert len(config["token_list"]) == 30 and config["decoder"] == "mla"
    done = run(clone, "asr1", corpus, "--mini", "true")
    assert done.stderr == "run.sh: give either --mini true or --toy, not both\n"


def test_translation(clone, corpus):
    """Up to the units, and what a mistake says."""
    reader = clone / "espnet_mtla/corpora/toy.py"
    text = reader.read_text()
    at = text.index("        write_table(")
    line = text[at : text.index("\n", at) + 1]
    named = (line.replace('"text"', f'"{n}"') for n in ("text.tc.xx", "text.lc.rm.yy"))
    text = text.replace(line, "".join(named))
    reader.write_text(text)
    st = clone / "egs2/toy/st1/run.sh"
    st.parent.mkdir()
    said = (clone / "egs2/toy/asr1/run.sh").read_text()
    said = said.replace("recipe asr", "recipe st").replace("asr_config", "st_config")
    st.write_text(said.replace("default nbpe", "default tgt_lang xx\ndefault nbpe"))
    st.chmod(0o755)
    options = ["--src_lang", "yy", "--nbpe", "30", "--stop_stage", "5"]
    done = run(clone, "st1", corpus, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    units = clone / "egs2/toy/st1/data/yy-xx_token_list"
    for name in ("tgt_bpe_unigram30_tc_xx", "src_bpe_unigram30_lc.rm_yy"):
        assert len((units / name / "tokens.txt").read_text().splitlines()) == 30
    done = run(clone, "st1", corpus, *options, "--nbpe", "5000")
    assert "--nbpe 5000 is too large for data/train/text.tc.xx" in done.stderr
    assert "stage 1 (whether there are so many units of text)" in done.stderr


def test_a_corpus_without_a_small_one_says_so(clone):
    words = [clone / "egs2/toy/asr1/run.sh", "--mini", "true"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stderr == (
        "run.sh: --mini true: toy has no small one: give --toy PATH\n"
    )
