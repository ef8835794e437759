"""Named settings of the decoding benchmark, with who is compared in them."""

from dataclasses import replace
from typing import NamedTuple

from bench.work import Case


class Preset(NamedTuple):
    """A setting and its contenders."""

    case: Case
    contenders: tuple[str, ...]


SHARED = ("ours:mha", "ours:mqa", "ours:gqa", "ours:mla", "ours:mtla2", "ours:mtla4")
PAPER = ("mha", "mla", "mtla2", "mtla3")
"""Variants whose times and memory the paper has."""
STOCK = ("espnet+cache", "espnet")
"""ESPnet's decoder, over cached keys and values and as it is."""
RECOGNITION = Case(beam=10, ctc_weight=0.3, ctc_margin=100, vocabulary=5000)
ST = Case(utterances=25, beam=50, prompt=500, tokens=40)
"""The paper's speech translation: 50000 fbank frames a batch, beam 50."""
# each without parts for GPUs, with some and with all
PARTS = (
    *(f"{e}:{v}" for v in ("mha", "mqa") for e in ("plain", "plain+graph", "ours")),
    *(
        f"{engine}:{v}"
        for v in ("mla", "mtla2")
        for engine in ("plain", "plain+graph", "plain+kernel", "ours")
    ),
)

PRESETS = {
    # one CPU thread, the setting in which the authors' engine was measured
    "cpu": Preset(
        Case(),
        (
            *SHARED,
            "authors:mtla2",
            "authors:mtla4",
            *(name.replace("ours", "tiled") for name in SHARED),
            "espnet:mtla2",
            *STOCK,
        ),
    ),
    # recognition with CTC, as ESPnet users decode
    "ctc": Preset(
        Case(beam=10, ctc_weight=0.3, vocabulary=5000),
        ("ours:mtla2", "ours:mha", "espnet+cache", "espnet:mtla2", "espnet"),
    ),
    # ESPnet's defaults for it, and with a language model beside it
    "recognition": Preset(RECOGNITION, ("ours:mtla2", *STOCK)),
    "recognition-lm": Preset(
        replace(RECOGNITION, lm_layers=16), ("ours:mtla2", *STOCK)
    ),
    # without packed weights, and with them
    "parts-cpu": Preset(
        Case(),
        tuple(f"{e}:{v}" for v in ("mha", "mla", "mtla2") for e in ("plain", "ours")),
    ),
    "paper-st": Preset(ST, tuple(f"{e}:{v}" for e in ("tiled", "ours") for v in PAPER)),
    "parts-500": Preset(ST, PARTS),
    # as many frames in a batch
    "parts-4000": Preset(Case(utterances=3, beam=50, prompt=4000, tokens=40), PARTS),
    # few tokens: the stock decoder takes a second for each
    "stock": Preset(
        Case(utterances=25, beam=50, prompt=500, tokens=5),
        (*STOCK, "ours:mha", "ours:mtla2"),
    ),
}
