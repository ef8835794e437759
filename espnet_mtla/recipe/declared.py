"""The options of a recipe's run.sh, named as ESPnet's where it has them.

A line is a name, a kind, a default (``-`` for none) and the help, two spaces apart.
"""

from __future__ import annotations

import re

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.options import Option

ALL = """
mini  bool  false  make a small synthetic corpus in {folder}'s layout and use it
{corpus}  path  -  the real corpus: the folder {folder}
decoder  text  mtla  decoder: a file of the folder conf/decoder
decoder_args  text  -  its options, as in "temporal_stride=4"
stage  int  1  first stage; what is finished from there on is done again
stop_stage  int  13  last stage
skip_data_prep  bool  false  skip stages 1-5
skip_train  bool  false  skip stages 6-11
skip_eval  bool  false  skip stages 12-13
ngpu  int  -  GPUs to train with, 0 for none (if not given: 1 where there is one)
gpu_inference  bool  -  decode on a GPU (if not given: as --ngpu)
nj  count  -  processes for data preparation (if not given: one a core)
num_threads  count  -  threads a process (if not given: OMP_NUM_THREADS, or one a core)
python  path  -  Python with espnet_mtla (if not given: the one of tools/install.sh)
datadir  text  data  data directories and token lists
dumpdir  text  dump  formatted audio and texts
expdir  text  exp  models and results
num_train  count  4000  utterances of the mini corpus: training
num_dev  count  150  utterances of the mini corpus: validation
num_test  count  200  utterances of the mini corpus: test (a second test set has a quarter)
local_data_opts  text  -  further options of prepare_{corpus}
train_set  text  -  training set
valid_set  text  -  validation set
test_sets  text  -  test sets
nbpe  count  8000  units
bpemode  unigram|bpe|char  unigram  sentencepiece's model type
{task}_config  path  -  training configuration
{task}_args  text  -  further options of training, as in "--max_epoch 8"
{task}_tag  text  -  name of the experiment (if not given: made from the options)
seed  int  1  seed of training
inference_config  path  -  decoding configuration
inference_args  text  -  further options of decoding, as in "--beam_size 10"
inference_tag  text  -  name of the decoding (if not given: made from the options)
inference_{task}_model  text  valid.acc.ave.pth  which model of the experiment to decode
batch_size  count  -  most utterances decoded together (if not given: what the configuration says)
"""
TEXT = """
max_units  count  1024  units; longer articles are cut
"""
SPEECH = """
audio_format  flac|wav  flac  audio format of the dump
fs  count  16000  sampling rate
speed_perturb_factors  text  -  speeds of the training speech, as in "0.9 1.0 1.1" (none: as it is)
min_wav_duration  number  0.1  seconds; shorter training utterances are dropped
max_wav_duration  number  30  seconds; longer training utterances are dropped
feats_normalize  utterance_mvn|none  utterance_mvn  feature normalisation
pretrained_asr  path  -  trained ASR model (.pth) whose encoder to start from
"""
OF_TASKS = {
    "asr": SPEECH
    + "text_name  text  text  the file of a data directory that holds the transcripts",
    "st": SPEECH
    + """
tgt_lang  text  -  language of the translation
src_nbpe  count  {nbpe}  units of the source text
tgt_nbpe  count  {nbpe}  units of the target text
pretrain_asr  bool  false  train the recogniser ./asr.sh first, on the same data, and start from its encoder
""",
    "slu": SPEECH
    + "entities  bool  false  targets hold the entities too: intent, entities, transcript",
    "mt": TEXT,
}
LANGUAGE_MODEL = """
use_lm  bool  false  train a language model (stages 6-8) and decode with it
lm_config  path  ../../librispeech/asr1/conf/train_lm_transformer.yaml  its training configuration
lm_args  text  -  further options of its training
lm_tag  text  -  name of its experiment (if not given: made from the options)
lm_train_text  path  -  sentences beside the training transcripts: one a line, plain or .gz
lm_dev_text  path  -  sentences to validate it on, likewise (if not given: those of valid_set)
inference_lm  text  valid.loss.ave.pth  which model of its experiment to decode with
"""


def table(lines: str, names: dict[str, str] | None = None) -> list[Option]:
    """Read lines of options.

    Args:
        lines: see the module's head.
        names: what ``{task}`` and the like stand for.
    """
    for name, value in (names or {}).items():
        lines = lines.replace(f"{{{name}}}", value)
    found = []
    for line in filter(None, lines.splitlines()):
        name, kind, default, explained = re.split(r"\s{2,}", line, maxsplit=3)
        found.append(Option(name, kind, "" if default == "-" else default, explained))
    return found


def declared(task: str, corpus: str, folder: str) -> list[Option]:
    """Return the options of a recipe, in the order of ``--help``.

    Args:
        task: ESPnet's.
        corpus: its name, and that of the option with its path.
        folder: its folder's name on a disk.

    Raises:
        InputError: an unknown task.
    """
    if task not in OF_TASKS:
        raise InputError(f"no such task: {task}")
    names = {"task": task, "corpus": corpus, "folder": folder}
    options = table(ALL + OF_TASKS[task] + "\n" + LANGUAGE_MODEL, names)
    for option in options:
        if option.name == "lm_config":
            option.mini = "../../librispeech/asr1/conf/train_lm_mini.yaml"
    return options
