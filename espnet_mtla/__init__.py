"""Attention decoders with small caches for ESPnet: MHA, MQA, GQA, MLA and MTLA.

Symbols used in every shape comment and docstring of this package:

==========  ===================================================================
``B``       utterances decoded or trained together
``K, H``    beam size; hypotheses held per utterance
``N``       ``B * H``, the flat hypothesis axis, utterance-major
``T, D, V`` encoder frames (padded), model width, vocabulary
``L``       text tokens so far
``P``       positions of a packed sequence, ``T_b + L_b`` for utterance ``b``
``r, d_r``  latent rank, width of the decoupled rotary key
``s, C``    temporal stride, number of chunks
prompt      the encoder output every decoder layer sees in front of the text
source      the encoder output, where it is attended to apart from the text
tail        what is cached per hypothesis: the text, and the open chunk
open chunk  the newest chunk of MTLA while it holds fewer than ``s`` tokens
==========  ===================================================================
"""

from typing import Any

__version__ = "0.2.1"


def __getattr__(name: str) -> Any:
    # PyTorch and ESPnet take seconds to import: not before they are asked for
    if name == "accelerate":
        from espnet_mtla.accelerated import accelerate

        return accelerate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
