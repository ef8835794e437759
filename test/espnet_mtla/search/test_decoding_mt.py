"""Text to text in batches finds what ESPnet's own loop finds."""

import json
import random
from argparse import Namespace

import pytest
import torch
import yaml

from espnet_mtla import compat
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table
from espnet_mtla.search.decoding import inference
from espnet_mtla.search.recognizer import Recognizer
from espnet_mtla.tasks import task_class

TOKENS = ["<blank>", "<unk>", *"abcdefgh", "<sos/eos>"]
SOURCE = ["<blank>", "<unk>", *"qrstuvwxyz", "<sos/eos>"]
CONF = {
    "token_list": TOKENS,
    "src_token_list": SOURCE,
    "token_type": "char",
    "src_token_type": "char",
    "frontend_conf": {"embed_dim": 16},
    "encoder": "transformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 12,
        "num_blocks": 1,
        "input_layer": None,
    },
    "decoder_conf": {"attention_heads": 2, "linear_units": 12, "num_blocks": 2},
    "model_conf": {"report_bleu": False},
}


def save_model(folder, decoder):
    """An untrained model, sharper than at the start of training."""
    task = task_class("mt")
    conf = task.get_default_config() | CONF | {"decoder": decoder}
    model = task.build_model(Namespace(**conf))
    for p in model.parameters():
        p.data.add_(torch.randn_like(p) * 0.2)
    torch.save(model.state_dict(), folder / "model.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(conf))


@pytest.fixture
def articles(tmp_path):
    """Articles in no order, one of a single unit and one with an unknown one."""
    names = [f"a{i}" for i in range(7)]
    random.shuffle(names)
    lengths = [1, 3, 5, *random.sample(range(6, 40), 4)]
    rows = ["".join(random.choices("qrstuvwxyz", k=n)) for n in lengths]
    rows[3] = "?" + rows[3]
    path = tmp_path / "src_text"
    path.write_text("".join(f"{n} {row}\n" for n, row in zip(names, rows)))
    return path


def options(articles, out, **more):
    folder = articles.parent
    given = {
        "data_path_and_name_and_type": f"{articles},src_text,text",
        "mt_train_config": f"{folder}/config.yaml",
        "mt_model_file": f"{folder}/model.pth",
        "output_dir": f"{folder}/{out}",
        "beam_size": 3,
        "nbest": 2,
        "lm_weight": 0.0,
        "maxlenratio": -12,
        "normalize_length": "true",
        "dtype": "float64",
        "log_level": "ERROR",
        **more,
    }
    return [word for k, v in given.items() for word in (f"--{k}", str(v))]


def scores(path):
    """Of a file by us, or by ESPnet, which writes ``tensor(-1.2, ...)``."""
    values = [v.removeprefix("tensor(") for v in read_table(path).values()]
    return [float(value.split(",")[0].rstrip(")")) for value in values]


@pytest.mark.parametrize("decoder", ["mha", "mtla"])
def test_the_same_hypotheses_as_espnet_in_input_order(articles, tmp_path, decoder):
    save_model(tmp_path, decoder)
    compat.inference_module("mt").main(options(articles, "espnet"))
    for out, bounds in {
        "alone": {"batch_size": 1},
        "together": {"batch_size": 7, "batch_frames": 0},
        "bounded": {"batch_size": 4, "batch_frames": 60},
    }.items():
        inference("mt", options(articles, out, **bounds))
        for n in ("1best_recog", "2best_recog"):
            for name in ("text", "token_int"):
                found = (tmp_path / out / n / name).read_text()
                theirs = read_table(tmp_path / "espnet" / n / name)
                assert read_table(tmp_path / out / n / name) == theirs
                assert [line.split()[0] for line in found.splitlines()] == [
                    line.split()[0] for line in articles.read_text().splitlines()
                ]
            found, theirs = (
                scores(tmp_path / o / n / "score") for o in (out, "espnet")
            )
            assert found == pytest.approx(theirs, abs=1e-3)
            assert len({round(score, 4) for score in found}) > 1
    cost = json.loads((tmp_path / "together/efficiency.json").read_text())
    units = sum(len(article) for article in read_table(articles).values())
    assert cost["source_units"] == units and "audio_seconds" not in cost
    assert cost["utterances"] == 7 and cost["cache_bytes"] > 0


def test_units_bound_a_batch(articles, tmp_path, monkeypatch):
    save_model(tmp_path, "mtla")
    sizes = []
    decode = Recognizer.__call__

    def watched(self, texts):
        sizes.append([len(text["src_text"]) for text in texts])
        return decode(self, texts)

    monkeypatch.setattr(Recognizer, "__call__", watched)
    inference("mt", options(articles, "out", batch_size=3, batch_frames=50))
    lengths = [len(article) for article in read_table(articles).values()]
    assert [n for size in sizes for n in size] == sorted(lengths, reverse=True)
    assert all(len(s) == 1 or len(s) * s[0] <= 50 for s in sizes)
    assert all(len(s) <= 3 for s in sizes) and len(sizes) < len(lengths)


def test_an_empty_article_is_left_empty(articles, tmp_path):
    save_model(tmp_path, "mtla")
    whole = articles.read_text()
    inference("mt", options(articles, "without", batch_size=4))
    articles.write_text(f"first\n{whole}last \n")
    for size in (1, 4):
        inference("mt", options(articles, "with", batch_size=size))
        for n in ("1best_recog", "2best_recog"):
            found = (tmp_path / "with" / n / "token_int").read_text()
            without = (tmp_path / "without" / n / "token_int").read_text()
            assert found == f"first\n{without}last\n"


def test_an_article_that_does_not_fit_is_named(articles, tmp_path, monkeypatch):
    """Others are halved until they fit."""
    save_model(tmp_path, "mtla")
    rows = read_table(articles)
    longest = max(rows, key=lambda name: len(rows[name]))
    decode = Recognizer.__call__

    def crowded(self, texts):
        if sum(len(text["src_text"]) for text in texts) >= len(rows[longest]):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(self, texts)

    inference("mt", options(articles, "roomy", batch_size=7))
    monkeypatch.setattr(Recognizer, "__call__", crowded)
    with pytest.raises(
        InputError, match=f"1 of 7 .* {longest}: it does not fit .* by itself"
    ):
        inference("mt", options(articles, "out", batch_size=7))
    roomy = read_table(tmp_path / "roomy/1best_recog/token_int")
    found = read_table(tmp_path / "out/1best_recog/token_int")
    assert found == roomy | {longest: ""}
