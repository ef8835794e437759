"""What a recipe is, and the options of its run.sh, named as ESPnet's where it has them.

A line of a table is a name, a kind, a default (``-`` for none; behind ``||`` that of small
runs) and the help, two spaces apart.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from espnet_mtla.errors import InputError
from espnet_mtla.recipe.options import KINDS, Option, one_of
from espnet_mtla.task import TASKS, Task

ALL = """
mini  bool  false  make a small synthetic corpus in {folder}'s layout and use it
paper  bool  false  with the options of the paper's experiment on the real corpus
size  full|mini  full||mini  model, units and their training: at full size, or for two CPU cores
{corpus}  path  -  the real corpus: the folder {folder}
decoder  text  mtla  decoder: a file of the folder conf/decoder; transformer is ESPnet's own
decoder_args  text  -  its options, as in "temporal_stride=4"
stage  int  1  first stage; what is finished from there on is done again
stop_stage  int  13  last stage
dry_run  bool  false  check the options, list what would be looked at, and do nothing
skip_data_prep  bool  false  skip stages 1-5
skip_train  bool  false  skip stages 6-11
skip_eval  bool  false  skip stages 12-13
ngpu  int  -  GPUs to train with, 0 for none (if not given: 1 where there is one)
gpu_inference  bool  -  decode on a GPU (if not given: as --ngpu)
nj  count  -  processes for data preparation (if not given: one a core)
num_threads  count  -  threads a process (if not given: OMP_NUM_THREADS, or one a core)
python  path  -  Python with espnet_mtla (if not given: the one of tools/install.sh)
datadir  text  data||data/mini  data directories and token lists
dumpdir  text  dump||dump/mini  formatted audio and texts
expdir  text  exp||exp/mini  models and results
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
inference_args  text  -  further options of decoding, as in "--beam_size 10", or "--search espnet" for ESPnet's own search
inference_tag  text  -  name of the decoding (if not given: made from the options)
inference_{task}_model  text  valid.acc.ave.pth  which model of the experiment to decode
batch_size  count  -  most utterances decoded together (if not given: what the configuration says)
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
LANGUAGE_MODEL = """
use_lm  bool  false  train a language model (stages 6-8) and decode with it
lm_config  path  ../../../conf/train_lm_transformer.yaml||../../../conf/mini/train_lm_mini.yaml  its training configuration
lm_args  text  -  further options of its training
lm_tag  text  -  name of its experiment (if not given: made from the options)
lm_train_text  path  -  sentences beside the training transcripts: one a line, plain or .gz
lm_dev_text  path  -  sentences to validate it on, likewise (if not given: those of valid_set)
inference_lm  text  valid.loss.ave.pth  which model of its experiment to decode with
"""


SAYS = {
    "recipe": "TASK CORPUS FOLDER",
    "option": "NAME KIND DEFAULT HELP",
    "default": "NAME VALUE [SMALL]",
    "reader": "WORD...",
    "units": "FOLDER",
    "paper": "OPTION...",
}
"""The words of a run.sh, and what stands behind each."""


@dataclass
class Recipe:
    """What a run.sh says.

    Attributes:
        task: ESPnet's.
        corpus: name of ``bin/prepare_<corpus>``, and of the option with its path.
        folder: the corpus's folder on a disk.
        options: in the order of ``--help``.
        reader: further words of ``bin/prepare_<corpus>``, options in braces.
        units: folder of its units, in the place of the task's.
        paper: options that make a run the paper's.
    """

    task: Task
    corpus: str
    folder: str
    options: dict[str, Option]
    reader: list[str] = field(default_factory=list)
    units: str = ""
    paper: list[str] = field(default_factory=list)


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
        default, mini, small = default.partition("||")
        default = "" if default == "-" else default
        found.append(Option(name, kind, default, explained, small if mini else None))
    return found


def has_mini(corpus: str) -> bool:
    """Whether a small synthetic corpus like this one can be made."""
    return (Path(__file__).parents[1] / f"corpora/mini/{corpus}.py").exists()


def declare(lines: Sequence[Sequence[str]]) -> Recipe:
    """Read what a run.sh says, a list of words each.

    That is any of :data:`SAYS`, ``recipe`` first.

    Raises:
        InputError: a line that is not so, an unknown task, or a default of what is no
            option.
    """
    for said, *words in lines:
        shape = SAYS[said]
        least = 0 if "..." in shape else len(re.sub(r" \[.*", "", shape).split())
        most = len(shape.split()) if least else len(words)
        if not least <= len(words) <= most:
            raise InputError(f"this recipe says '{said} {shlex.join(words)}': {shape}")
    if not lines or lines[0][0] != "recipe":
        raise InputError(f"this recipe does not begin with 'recipe {SAYS['recipe']}'")
    (_, task, corpus, folder), *rest = lines
    one_of("this recipe has no task", task, [t for t in TASKS if TASKS[t].scorer])
    names = {"task": task, "corpus": corpus, "folder": folder}
    heard = SPEECH if TASKS[task].hears else ""
    lines = ALL + heard + TASKS[task].options + LANGUAGE_MODEL
    options = table(lines, names)
    recipe = Recipe(TASKS[task], corpus, folder, {o.name: o for o in options})
    if not has_mini(corpus):
        recipe.options["mini"].help = "there is no small corpus like this one"
        for name in ("num_train", "num_dev", "num_test"):
            del recipe.options[name]
    for said, *words in rest:
        if said == "option":
            recipe.options[words[0]] = Option(*words)
            if words[1] not in (*KINDS, "text", "path") and "|" not in words[1]:
                kinds = ", ".join((*KINDS, "text", "path", "a|b"))
                raise InputError(
                    f"--{words[0]}: no kind {words[1]!r}; there are: {kinds}"
                )
        elif said == "reader":
            recipe.reader = words
        elif said == "units":
            (recipe.units,) = words
        elif said == "paper":
            recipe.paper = words
            recipe.options["paper"].help += f": {shlex.join(words)}"
        elif words[0] not in recipe.options:
            raise InputError(
                f"this recipe sets a default for --{words[0]}, which is no option"
            )
        else:
            option = recipe.options[words[0]]
            option.default = words[1]
            option.mini = words[2] if len(words) > 2 else option.mini
    return recipe
