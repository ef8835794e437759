"""Small models of every task with random weights, in folders as training leaves them."""

import argparse

import torch
import yaml

from espnet_mtla import compat
from espnet_mtla.task import TASKS
from espnet_mtla.tasks import task_class

TOKENS = ["<blank>", "<unk>", *"abcdefgh", "<sos/eos>"]
S2T = ["<blank>", "<unk>", "<na>", *"abcdefgh", "<eng>", "<deu>", "<asr>", "<st_eng>"]
S2T += ["<notimestamps>", *(f"<{i / 4:.2f}>" for i in range(5)), "<sop>"]
S2T += ["<sos>", "<eos>"]
"""Units of an S2T model: text, languages, tasks and timestamps."""
SIZES = {"attention_heads": 2, "linear_units": 16, "num_blocks": 2}
ENCODER = {"output_size": 24, "attention_heads": 2, "linear_units": 16, "num_blocks": 1}


def config(task, tokens=TOKENS, **conf):
    """A training configuration: a small Transformer on 20 fbank channels, or on text."""
    given = {
        "token_list": tokens,
        "token_type": "char",
        "preprocessor_conf": {},  # as training leaves it; the default names one text
        "encoder": "transformer",
        "encoder_conf": ENCODER,
        "decoder": "transformer",
        "decoder_conf": SIZES,
    }
    if "src_text" in TASKS[task].texts:
        given |= {"src_token_list": tokens, "src_token_type": "char"}
    if TASKS[task].hears:
        front = {"n_fft": 256, "hop_length": 160, "n_mels": 20, "fs": "16k"}
        given |= {"frontend_conf": front, "specaug": None, "normalize": "utterance_mvn"}
    else:
        given["frontend_conf"] = {"embed_dim": 24}
        given["encoder_conf"] = ENCODER | {"input_layer": None}
        given["model_conf"] = {"report_bleu": False}
    if task == "s2t":
        given["token_list"] = S2T
        given["preprocessor_conf"] = {
            "fs": 16000,
            "speech_length": 1.0,
            "speech_resolution": 0.25,
            "speech_init_silence": 0.1,
            "notime_symbol": "<notimestamps>",
            "first_time_symbol": S2T[S2T.index("<notimestamps>") + 1],
            "last_time_symbol": "<1.00>",
        }
    return task_class(task).get_default_config() | given | conf


def save(task, folder, spread=0.2, **conf):
    """Save one, untrained, whose weights are spread enough to tell inputs apart."""
    conf = config(task, **conf)
    return _saved(task_class(task), conf, folder, spread)


def save_lm(folder, tokens=TOKENS, lm="transformer", spread=0.3, **lm_conf):
    """Save a language model."""
    task = compat.task_class("lm")
    conf = {"lm": lm, "lm_conf": lm_conf, "token_list": tokens}
    return _saved(task, task.get_default_config() | conf, folder, spread)


def _saved(task, conf, folder, spread):
    folder.mkdir(parents=True, exist_ok=True)
    model = task.build_model(argparse.Namespace(**conf))
    for p in model.parameters():
        p.data.add_(torch.randn_like(p) * spread)
    torch.save(model.state_dict(), folder / "model.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(conf), encoding="utf-8")
    return folder


def paths(folder, what):
    """Options that name its files, for ESPnet's ``Speech2Text``."""
    return {
        f"{what}_train_config": f"{folder}/config.yaml",
        f"{what}_{'file' if what == 'lm' else 'model_file'}": f"{folder}/model.pth",
    }


def speech2text(task, folder, lm=None, **options):
    """ESPnet's object of a saved model."""
    given = paths(folder, task) | (paths(lm, "lm") if lm else {})
    return compat.speech2text_class(task)(**given, **options)
