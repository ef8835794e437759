"""Named settings of the decoding benchmark, with who is compared in them."""

from typing import NamedTuple

from bench.work import Case


class Preset(NamedTuple):
    """A setting and its contenders."""

    case: Case
    contenders: tuple[str, ...]


SHARED = ("ours:mha", "ours:mqa", "ours:gqa", "ours:mla", "ours:mtla2", "ours:mtla4")
# some of those that the kernels are of, and two whose steps can be captured alone
LATENT = ("mla", "mtla2", "mtla3")
FOR_GPUS = (
    *(f"ours+kernel:{variant}" for variant in LATENT),
    *(f"ours+graph:{variant}" for variant in ("mha", "mqa", *LATENT)),
    *(f"ours+kernel+graph:{variant}" for variant in LATENT),
)
TILED = tuple(name.replace("ours", "tiled") for name in (*SHARED, "ours:mtla3"))

PRESETS = {
    # one CPU thread, the setting in which the authors' engine was measured
    "cpu": Preset(
        Case(),
        (
            *SHARED,
            "authors:mtla2",
            "authors:mtla4",
            *TILED[:-1],
            "espnet:mtla2",
            "espnet",
        ),
    ),
    # recognition with CTC, as ESPnet users decode
    "ctc": Preset(
        Case(beam=10, ctc_weight=0.3, vocabulary=5000),
        ("ours:mtla2", "ours:mha", "espnet:mtla2", "espnet"),
    ),
    # the paper's speech translation: 50000 fbank frames a batch, beam 50
    "paper-st": Preset(
        Case(utterances=25, beam=50, prompt=500, tokens=40),
        (*SHARED, "ours:mtla3", *FOR_GPUS, *TILED),
    ),
}
