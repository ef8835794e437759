"""The decoders that ESPnet's tasks register: one for each attention variant.

``MHADecoder``, ``MQADecoder``, ``GQADecoder``, ``MLADecoder``, ``MTLADecoder``: a
:class:`PromptDecoder` each, made when it is first asked for, with the options of its
variant in its signature.
"""

import inspect
from functools import cache

from espnet_mtla.decoder.prompt import PromptDecoder
from espnet_mtla.errors import InputError
from espnet_mtla.nearest import did_you_mean
from espnet_mtla.variant import VARIANTS, Variant


def decoder_class(name: str) -> type[PromptDecoder]:
    """Return the decoder of a variant.

    Args:
        name: of :data:`espnet_mtla.variant.VARIANTS`.

    Raises:
        InputError: there is no such variant.
    """
    if name not in VARIANTS:
        raise InputError(
            f"decoder {name!r}{did_you_mean(name, VARIANTS)}: give one of "
            f"{', '.join(VARIANTS)}"
        )
    return _made(VARIANTS[name])


@cache
def _made(variant: Variant) -> type[PromptDecoder]:
    name = variant.name
    about = {
        "variant": variant,
        "__doc__": f"Decoder with {name} attention; see :class:`PromptDecoder`.",
        "__module__": __name__,
        "__signature__": _signature(variant),
    }
    return type(f"{name.upper()}Decoder", (PromptDecoder,), about)


def _signature(variant: Variant) -> inspect.Signature:
    """Sizes and options of all decoders, then those of the variant alone."""
    common = [
        p
        for p in inspect.signature(PromptDecoder).parameters.values()
        if p.kind is not p.VAR_KEYWORD
    ]
    own = [
        inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default)
        for option, default in variant.options.items()
    ]
    return inspect.Signature([*common, *own])


def __getattr__(attribute: str) -> type[PromptDecoder]:
    name = attribute.removesuffix("Decoder").lower()
    if name in VARIANTS and attribute == f"{name.upper()}Decoder":
        return decoder_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
