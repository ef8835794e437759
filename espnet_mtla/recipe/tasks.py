"""What ESPnet's tasks differ in, for the stages of a recipe."""

from __future__ import annotations

from espnet_mtla.recipe.options import Options


def describe(task: str, options: Options) -> dict:
    """Say what a task reads, hears, trains on and is scored by.

    Returns:
        ``texts`` holds ESPnet's names of them; each has a file in a data directory
        (``text_file``), a folder for its units (``units``), their number (``nbpe``), and
        the prefix of its training options (``prefix``). ``vocabularies`` are the texts
        whose units are made; others share a folder with one of them. ``speech`` is what
        is heard in training, if anything, ``input`` what is decoded; both are ESPnet's
        file, name and type. The files ``shapes`` say how long everything is, and so how
        much fits into a batch. What ends in ``_args`` or ``_opts`` are words of
        commands.
    """
    language = options.values.get("tgt_lang")
    found = {
        "vocabularies": ["text"],
        "data_opts": [] if language is None else ["--tgt_lang", language],
        "token_args": [],
        "pretrained_args": [],
    }
    if task == "mt":
        found |= {
            "speech": [],
            "input": "src_text,src_text,text",
            "shapes": ["src_text_shape", "text_shape"],
            "speech_args": [],
        }
    else:
        heard = "wav.scp,speech,sound"
        found |= {
            "speech": [heard],
            "input": heard,
            "shapes": ["utt2num_samples"],
            "speech_args": [
                *("--normalize", options["feats_normalize"]),
                *("--frontend_conf", f"fs={options['fs']}"),
            ],
        }
    return found | TASKS[task](options)


def _translation(options: Options) -> dict:
    """MuST-C is English; its source text, for CTC, has neither case nor punctuation."""
    language, mode = options["tgt_lang"], options["bpemode"]
    lists = f"{options['datadir']}/en-{language}_token_list"
    source, target = options["src_nbpe"], options["tgt_nbpe"]
    return {
        "texts": ["text", "src_text"],
        "vocabularies": ["text", "src_text"],
        "prefix": {"text": "", "src_text": "src_"},
        "nbpe": {"text": target, "src_text": source},
        "text_file": {"text": f"text.tc.{language}", "src_text": "text.lc.rm.en"},
        "units": {
            "text": f"{lists}/tgt_bpe_{mode}{target}_tc_{language}",
            "src_text": f"{lists}/src_bpe_{mode}{source}_lc.rm_en",
        },
        "scorer": "score_st",
        "score_dir": "score_bleu",
        "score_args": ["--tgt_lang", language],
        # NFKC would make the target's punctuation Latin, also in what is decoded.
        "token_args": ["--normalization", "identity"]
        if language in ("ja", "zh")
        else [],
        # As in the paper: an encoder that learnt from transcripts needs no CTC beside it.
        "pretrained_args": ["--model_conf", "asr_weight=0.0"],
    }


def _one_text(options: Options, file: str, score: str) -> dict:
    nbpe, mode = options["nbpe"], options["bpemode"]
    return {
        "texts": ["text"],
        "prefix": {"text": ""},
        "nbpe": {"text": nbpe},
        "text_file": {"text": file},
        "units": {"text": f"{options['datadir']}/token_list/bpe_{mode}{nbpe}"},
        "scorer": score,
        "score_args": [],
    }


def _recognition(options: Options) -> dict:
    found = _one_text(options, options["text_name"], "score_asr")
    language = options.values.get("tgt_lang")
    if language is not None:  # those of speech translation's source text
        lists = f"{options['datadir']}/en-{language}_token_list"
        name = f"src_bpe_{options['bpemode']}{options['nbpe']}_lc.rm_en"
        found["units"] = {"text": f"{lists}/{name}"}
    return found | {"score_dir": "score_wer"}


def _understanding(options: Options) -> dict:
    found = _one_text(options, "text", "score_slu")
    if options.is_true("entities"):
        found["text_file"] = {"text": "text.entities"}
        found["units"] = {"text": found["units"]["text"] + "_entities"}
    return found | {"score_dir": "score_slu"}


def _summarisation(options: Options) -> dict:
    """Articles and summaries are of one language, and share their units."""
    found = _one_text(options, "text", "score_sum")
    for name in ("nbpe", "units"):
        found[name] = {"text": found[name]["text"], "src_text": found[name]["text"]}
    return found | {
        "texts": ["text", "src_text"],
        "prefix": {"text": "", "src_text": "src_"},
        "text_file": {"text": "text", "src_text": "src_text"},
        "score_dir": "score_rouge",
    }


TASKS = {
    "asr": _recognition,
    "st": _translation,
    "slu": _understanding,
    "mt": _summarisation,
}
"""Describes the texts and the score of each of ESPnet's tasks."""
