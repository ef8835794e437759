"""ESPnet 3 trains our decoders: a YAML of its own training system."""

import sys

import pytest
import torch
from omegaconf import OmegaConf

from espnet_mtla import compat, hook, registry
from espnet_mtla.decoder.variants import MTLADecoder

pytest.importorskip("lightning")

DATASET = """
import numpy as np
from espnet3.components.data.base_dataset import BaseDataset
from espnet3.contract import Field

class Dataset(BaseDataset):
    fields = (Field("speech", "audio"), Field("text", "text"), Field("src_text", "text"))

    def __init__(self, names):
        self.names = names

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        speech = rng.normal(0, 0.1, 4000 + 500 * index).astype(np.float32)
        return {"speech": speech, "text": "abc", "src_text": "cb"}
"""
PREPROCESSOR = "espnet2.train.preprocessor.MutliTokenizerCommonPreprocessor"
TOKENS = ["<blank>", "<unk>", *"abc", "<sos/eos>"]
TRAINING = """
num_device: 1
task: {task}
recipe_dir: {folder}
exp_dir: {folder}/exp
dataset:
  _target_: espnet3.components.data.data_organizer.DataOrganizer
  _recursive_: false
  recipe_dir: ${{recipe_dir}}
  train: [{{data_src_args: {{names: [u1, u2, u3]}}}}]
  valid: [{{data_src_args: {{names: [u4, u5]}}}}]
  preprocessor:
    token_type: [char, char]
    token_list: [{tokens}, {tokens}]
    bpemodel: [null, null]
    text_name: [text, src_text]
    train: {{_target_: {preprocessor}}}
    valid: {{_target_: {preprocessor}}}
model:
  token_list: {tokens}
  src_token_list: {tokens}
  token_type: char
  src_token_type: char
  frontend_conf: {{fs: 16000, n_fft: 256, hop_length: 160, n_mels: 20}}
  specaug: null
  normalize: utterance_mvn
  encoder: transformer
  encoder_conf: {{output_size: 16, attention_heads: 2, linear_units: 16, num_blocks: 1}}
  decoder: mtla
  decoder_conf: {{attention_heads: 2, linear_units: 16, num_blocks: 2, temporal_stride: 3}}
optimizer: {{_target_: torch.optim.Adam, lr: 0.01}}
scheduler: {{_target_: espnet2.schedulers.warmup_lr.WarmupLR, warmup_steps: 10}}
scheduler_interval: step
best_model_criterion: [[valid/loss, 1, min]]
seed: 1
dataloader:
  collate_fn: {{_target_: espnet2.train.collate_fn.CommonCollateFn, int_pad_value: -1}}
  train: {{iter_factory: null, batch_size: 2, num_workers: 0}}
  valid: {{iter_factory: null, batch_size: 2, num_workers: 0}}
trainer:
  accelerator: cpu
  devices: 1
  max_epochs: 2  # it averages what epochs before the last left
  log_every_n_steps: 1
  logger: [{{_target_: lightning.pytorch.loggers.CSVLogger, save_dir: {folder}}}]
fit: {{}}
"""


@pytest.fixture
def installed():
    """Registered as for a program, and as ESPnet 3's own copy of a task is imported."""
    registry.register(["asr", "st"])
    hook.install()
    yield
    sys.meta_path.remove(hook.FINDER)


@pytest.mark.parametrize(
    "task",
    [
        "espnet2.tasks.asr.ASRTask",
        "espnet2.tasks.st.STTask",
        "espnet3.systems.esp2_asr.task.ASRTask",
        "espnet_mtla.tasks.STTask",
    ],
)
def test_a_training_of_espnet3(installed, tmp_path, task):
    from espnet3.systems.base.system import BaseSystem

    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset/__init__.py").write_text(DATASET)
    tokens = tmp_path / "tokens.txt"
    tokens.write_text("".join(f"{token}\n" for token in TOKENS))
    config = TRAINING.format(
        task=task, folder=tmp_path, tokens=tokens, preprocessor=PREPROCESSOR
    )
    BaseSystem(training_config=OmegaConf.create(config)).train()
    # as ESPnet loads it to decode
    kind = compat.task_class("asr" if "ASR" in task else "st")
    model, _ = kind.build_model_from_file(
        tmp_path / "exp/config.yaml", tmp_path / "exp/valid.loss.ave_1best.pth"
    )
    assert type(model.decoder) is MTLADecoder
    assert model.decoder.attention.stride == 3
    saved = torch.load(tmp_path / "exp/valid.loss.ave_1best.pth")
    assert saved.keys() == model.state_dict().keys()
