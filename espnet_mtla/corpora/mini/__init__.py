"""Small corpora in published on-disk layouts, made from a grammar and a seed.

``build`` makes any of them; ``talks`` decides who says what, and records it; each
other module is the layout of one corpus, named as ``--corpus`` takes it.
"""

from importlib import import_module

CORPORA = ("ami", "librispeech", "must_c", "slurp", "xsum")


def find_layout(corpus: str):
    """Return the :class:`~espnet_mtla.corpora.mini.build.Layout` of a corpus."""
    return import_module(f"{__name__}.{corpus}").LAYOUT
