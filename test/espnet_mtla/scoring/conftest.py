"""Makes experiment directories as stages 11 to 13 leave them."""

import json

import pytest
import yaml

COST = {
    "peak_memory": 90 * 2**20,
    "memory_is": "resident",
    "cache_elements": 100,
    "cache_bytes": 2**20,
    "utterances": 3,
    "audio_seconds": 12.5,
    "parameters": 1_234_567,
    "beam_size": 5,
    "batch_size": 16,
    "batch_frames": 50000,
    "device": "cpu",
    "threads": 2,
    "dtype": "float32",
}
REFERENCES = ["das ist ein Haus", "hier ist noch eins", "und da ein drittes"]

_COUNTS = dict(zip(("sentences", "words", "correct"), (3, 200, 196)))
_COUNTS |= dict(zip(("substitutions", "deletions", "insertions"), (3, 1, 2)))
_COUNTS |= {"wrong_sentences": 1}
SCORED = {
    "st": ("score_bleu", {"bleu": 80.0, "chrf": 90.25, "ter": 12.5, "signature": "s"}),
    "asr": ("score_wer", {"wer": 3.0, "wer_counts": _COUNTS, "cer": 1.5}),
    "slu": ("score_slu", {"intent": 95.5, "scenario": 97.0, "action": 96.0}),
    "mt": (
        "score_rouge",
        {"rouge1": 61.0, "rouge2": 40.5, "rougeL": 60.25, "signature": "s"}
        | {"intervals": {"rouge1": [60.0, 62.0]}},
    ),
}


@pytest.fixture
def trained(tmp_path):
    """Adds an experiment, decoded and scored; returns its directory."""

    def add(
        tag,
        decoder,
        seconds,
        memory,
        *,
        options=None,
        decoding="decode",
        seed=0,
        accum_grad=1,
        init_param=(),
        task="st",
        test_set="tst-COMMON.en-de",
        expdir="",
        references=REFERENCES,
        hypotheses=None,
        score=None,
        **cost,
    ):
        score_dir, scores = SCORED[task]
        experiment = tmp_path / expdir / f"{task}_{tag}"
        folder = experiment / decoding / test_set
        scored = folder / score_dir
        scored.mkdir(parents=True)
        conf = {"decoder": decoder, "decoder_conf": options or {}, "seed": seed}
        conf |= {"accum_grad": accum_grad, "init_param": list(init_param)}
        (experiment / "config.yaml").write_text(yaml.safe_dump(conf))
        spent = COST | {"seconds": seconds, "average_memory": memory * 2**20} | cost
        (folder / "efficiency.json").write_text(json.dumps(spent))
        (scored / "result.json").write_text(json.dumps(scores | (score or {})))
        for name, texts in (("ref", references), ("hyp", hypotheses or references)):
            (scored / name).write_text("".join(f"{text}\n" for text in texts))
        return experiment

    return add
