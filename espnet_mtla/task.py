"""ESPnet's tasks that take our decoders: what each trains on, decodes and is scored by.

Recipes read this before anything is installed: it needs the standard library alone, and
Python 3.9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Text:
    """A text that models are trained on; ``{name}`` stands for a recipe's option.

    Attributes:
        file: its name in a data directory.
        units: folder of its units.
        nbpe: how many there are.
        prefix: of ESPnet's options for it.
    """

    file: str
    units: str
    nbpe: str = "{nbpe}"
    prefix: str = ""


@dataclass(frozen=True)
class Task:
    """One of ESPnet's tasks.

    Attributes:
        name: ESPnet's.
        decodes: ESPnet's name of what a model reads: ``speech``, or that of a text.
        speech2text: its class in ``espnet2.bin.<name>_inference``.
        held_as: how that class names its model, ``<held_as>_model``.
        texts: by ESPnet's names.
        texts_if: other texts where an option of this name is ``true``.
        scorer: command that scores it, of :mod:`espnet_mtla.bin`; empty where no recipe
            trains one.
        score_dir: where that writes, under a decoded test set.
        score_args: what it is told besides; a recipe's options in braces.
        scores: of its ``result.json``, and the names of their columns.
        ctc: option of ``model_conf`` that weighs CTC over its text, and what it is if it is
            not given; None where models have no such CTC.
        options: a recipe's options besides those of all; see :mod:`.recipe.declared`.
        pretrained_args: of a training that starts from a recogniser's encoder.
        copies: modules of ESPnet 3 that hold a copy of its module, with choices of its own.
    """

    name: str
    decodes: str
    speech2text: str
    held_as: str
    texts: Mapping[str, Text]
    scorer: str
    score_dir: str
    scores: Mapping[str, str]
    score_args: tuple[str, ...] = ()
    texts_if: Mapping[str, Mapping[str, Text]] = field(default_factory=dict)
    ctc: tuple[str, float] | None = None
    options: str = ""
    pretrained_args: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()

    @property
    def hears(self) -> bool:
        """Whether it decodes speech."""
        return self.decodes == "speech"

    @property
    def modules(self) -> tuple[str, ...]:
        """ESPnet's modules that hold its ``decoder_choices``; importing one costs seconds."""
        return f"espnet2.tasks.{self.name}", *self.copies


_UNITS = "{datadir}/token_list/bpe_{bpemode}{nbpe}"
_PAIR = "{datadir}/{src_lang}-{tgt_lang}_token_list"

TASKS = {
    task.name: task
    for task in (
        Task(
            name="asr",
            decodes="speech",
            speech2text="Speech2Text",
            held_as="asr",
            texts={"text": Text("{text_name}", _UNITS)},
            scorer="score_asr",
            score_dir="score_wer",
            score_args=("--bpemodel", "{units}/bpe.model"),
            ctc=("ctc_weight", 0.5),
            options="""
text_name  text  text  the file of a data directory that holds the transcripts
""",
            scores={"wer": "WER", "cer": "CER"},
            copies=("espnet3.systems.esp2_asr.task",),
        ),
        Task(
            name="st",
            decodes="speech",
            speech2text="Speech2Text",
            held_as="st",
            texts={
                "text": Text(
                    "text.{tgt_case}.{tgt_lang}",
                    _PAIR + "/tgt_bpe_{bpemode}{tgt_nbpe}_{tgt_case}_{tgt_lang}",
                    "{tgt_nbpe}",
                ),
                # for CTC and for a recogniser
                "src_text": Text(
                    "text.{src_case}.{src_lang}",
                    _PAIR + "/src_bpe_{bpemode}{src_nbpe}_{src_case}_{src_lang}",
                    "{src_nbpe}",
                    "src_",
                ),
            },
            scorer="score_st",
            score_dir="score_bleu",
            score_args=("--tgt_lang", "{tgt_lang}"),
            scores={"bleu": "BLEU", "chrf": "chrF", "ter": "TER"},
            ctc=("st_mtlalpha", 0.0),
            options="""
src_lang  text  en  language of the speech
tgt_lang  text  -  language of the translation
src_case  text  lc.rm  form of the source text: of the file text.<src_case>.<src_lang>
tgt_case  text  tc  form of the translation, likewise
src_nbpe  count  {nbpe}  units of the source text
tgt_nbpe  count  {nbpe}  units of the target text
pretrain_asr  bool  false  train a recogniser first, on the same data, and start from its encoder
asr_config  path  -  training configuration of that recogniser
""",
            # paper: an encoder that learnt from transcripts needs no CTC beside it
            pretrained_args=("--model_conf", "asr_weight=0.0"),
        ),
        Task(
            name="slu",
            decodes="speech",
            speech2text="Speech2Understand",
            held_as="asr",  # ESPnet's kept ASR's names
            texts={"text": Text("text", _UNITS)},
            texts_if={
                "entities": {"text": Text("text.entities", _UNITS + "_entities")}
            },
            ctc=("ctc_weight", 0.5),
            options="""
entities  bool  false  targets hold the entities too: intent, entities, transcript
""",
            scorer="score_slu",
            score_dir="score_slu",
            scores={
                "intent": "intent %",
                "scenario": "scenario %",
                "action": "action %",
                "slu_f1": "SLU-F1",
                "wer": "WER",
            },
        ),
        Task(
            name="mt",
            decodes="src_text",
            speech2text="Text2Text",
            held_as="mt",
            # of one language, with the same units
            texts={
                "text": Text("text", _UNITS),
                "src_text": Text("src_text", _UNITS, prefix="src_"),
            },
            options="""
max_units  count  1024  units; longer articles are cut
""",
            scorer="score_sum",
            score_dir="score_rouge",
            scores={"rouge1": "R-1", "rouge2": "R-2", "rougeL": "R-L"},
        ),
        Task(  # OWSM and its like: decoded, not trained by a recipe
            name="s2t",
            decodes="speech",
            speech2text="Speech2Text",
            held_as="s2t",
            texts={},
            scorer="",
            score_dir="",
            scores={},
            ctc=("ctc_weight", 0.5),
        ),
    )
}
"""All of them, by name."""
