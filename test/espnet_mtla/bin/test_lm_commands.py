"""A language model from its text to its perplexity, trained for a moment."""

import random

import numpy as np
import pytest
import torch

from espnet_mtla import compat
from espnet_mtla.bin.lm_perplexity import perplexity
from espnet_mtla.bin.lm_train import train_lm
from espnet_mtla.corpora.lm_text import write_lm_text
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table
from espnet_mtla.units import load_units, train_units

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A language model of counting, and its training's options."""
    tmp = tmp_path_factory.mktemp("lm")
    counts = []
    for i in range(40):
        start, end = sorted(random.sample(range(len(WORDS) + 1), 2))
        counts.append(f"u{i} {' '.join(WORDS[start:end])}\n")
    (tmp / "text").write_text("".join(counts))
    (tmp / "all").write_text(f"all {' '.join(WORDS)}\n")
    train_units([tmp / "all"], 24, "bpe", tmp)
    units = (tmp / "bpe.model", tmp / "tokens.txt")
    write_lm_text([tmp / "text"], [], *units, tmp / "stats")
    options = ["--bpemodel", units[0], "--token_list", units[1], "--token_type", "bpe"]
    for part in ("train", "valid"):
        data, shape = tmp / "stats/text", tmp / "stats/text_shape.bpe"
        options += [f"--{part}_data_path_and_name_and_type", f"{data},text,text"]
        options += [f"--{part}_shape_file", shape]
    options += ["--lm", "transformer", "--lm_conf", "layer=1", "--lm_conf", "unit=16"]
    options += ["--batch_type", "numel", "--batch_bins", "3000", "--optim", "adam"]
    options += ["--use_tensorboard", "false", "--use_matplotlib", "false"]
    options += ["--num_workers", "0", "--best_model_criterion", "valid,loss,min"]
    options += ["--output_dir", tmp / "exp", "--resume", "true", "--ngpu", "0"]
    options = [str(word) for word in options]
    train_lm([*options, "--max_epoch", "2"])
    return tmp, options


def measure(tmp, out, **more):
    given = {
        "data_path_and_name_and_type": f"{tmp}/text,text,text",
        "train_config": f"{tmp}/exp/config.yaml",
        "model_file": f"{tmp}/exp/valid.loss.ave.pth",
        "output_dir": str(out),
        "num_workers": "0",
        **more,
    }
    perplexity([word for k, v in given.items() for word in (f"--{k}", str(v))])
    return float((out / "ppl").read_text())


@torch.no_grad()
def test_perplexity_is_that_of_each_next_unit(trained, tmp_path):
    """The mean over units, and the end, scored one after another as in search."""
    tmp, _ = trained
    config, weights = tmp / "exp/config.yaml", tmp / "exp/valid.loss.ave.pth"
    model, conf = compat.task_class("lm").build_model_from_file(config, weights)
    ids, units = conf.token_list.index, load_units(tmp / "bpe.model")
    end, losses = ids("<sos/eos>"), []
    for text in read_table(tmp / "text").values():
        seen, state = [end], None
        for token in [*map(ids, units(text)), end]:
            scores, state = model.eval().lm.score(torch.tensor(seen), state, None)
            losses.append(-float(scores[token]))
            seen.append(token)
    assert measure(tmp, tmp_path) == pytest.approx(np.exp(np.mean(losses)), rel=1e-4)
    assert set(read_table(tmp_path / "utt2ppl")) == set(read_table(tmp / "text"))


def test_training_goes_on_after_a_broken_checkpoint(trained):
    tmp, options = trained
    checkpoint = tmp / "exp/checkpoint.pth"
    assert torch.load(checkpoint, weights_only=False)["reporter"]["epoch"] == 2
    train_lm([*options, "--max_epoch", "3"])
    assert torch.load(checkpoint, weights_only=False)["reporter"]["epoch"] == 3
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    train_lm([*options, "--max_epoch", "1"])
    assert torch.load(checkpoint, weights_only=False)["reporter"]["epoch"] == 1
    assert (tmp / "exp/checkpoint.broken").stat().st_size == 1000


def test_a_broken_model_is_refused(trained, tmp_path):
    tmp, _ = trained
    model = tmp_path / "broken.pth"
    for content, words in (
        ({}, "an empty checkpoint"),
        ({"a": {}}, "not a checkpoint"),
    ):
        torch.save(content, model)
        with pytest.raises(InputError, match=f"broken.pth.*{words}"):
            measure(tmp, tmp_path / "out", model_file=model)
    model.write_text("nothing")
    with pytest.raises(InputError, match="broken.pth: not a readable checkpoint"):
        measure(tmp, tmp_path / "out", model_file=model)
    assert not (tmp_path / "out").exists()
