"""A contender, ``<engine>:<variant>``, built and ready to decode.

``plain`` is ``ours`` in plain PyTorch, or with one part of the backend for GPUs
(:mod:`espnet_mtla.search.backend`): ``plain+graph:mtla2``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

import torch

from bench.peers import authors, espnet, ours, tiled
from bench.work import (
    Case,
    Cost,
    lm_step_cost,
    step_cost,
    stock_cached_step_cost,
    stock_step_cost,
)
from espnet_mtla import compat
from espnet_mtla.errors import InputError
from espnet_mtla.search.backend import Backend
from espnet_mtla.search.packed import PackedLinear
from espnet_mtla.search.view import SearchView


@dataclass
class Contender:
    """A search that is ready to run.

    Attributes:
        search: called with the encoder output.
        decoder: its scorer, ours a view of a decoder.
        cache_bytes: of a state that ``batch_score`` returned.
        cost: of a step, as the engine makes it.
    """

    search: Any
    decoder: Any
    cache_bytes: Callable[[Any], int]
    cost: Cost

    def decode(self, x: torch.Tensor, n_tokens: int) -> list:
        """Decode ``(B, T, D)`` to texts of ``n_tokens``."""
        with torch.inference_mode():
            return self.search(x, maxlenratio=-float(n_tokens))

    @property
    def fills_first(self) -> bool:
        """Whether the prompt is cached by the first step, not before it."""
        return isinstance(self.decoder, tiled.TiledScorer)

    def parameters(self) -> int:
        """Weights of the decoder."""
        return sum(p.numel() for p in self.decoder.parameters())

    def packed_bytes(self) -> int:
        """Bytes of weights that searches packed for the CPU, held besides."""
        scorers = self.search.scorers.values()
        modules = [m for s in scorers if hasattr(s, "modules") for m in s.modules()]
        return sum(m.weight.nbytes for m in modules if isinstance(m, PackedLinear))


def contender(
    name: str, case: Case, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Contender:
    """Build one with random weights.

    Raises:
        InputError: there is no such engine, or it lacks the variant, the type or a
            part.
    """
    engine, _, kind = name.partition(":")
    engine, *parts = engine.split("+")
    stock = name in STOCK
    nbytes: Callable[[Any], int] = methodcaller("nbytes")
    if not kind and not stock:
        raise InputError(
            f"{name}: give <engine>:<variant>, as in ours:mtla2, or {' or '.join(STOCK)}"
        )
    if (parts or engine == "plain") and not stock:
        check_parts(name, engine, parts, device, dtype)
    if stock:
        decoder = espnet.decoder(case)
        cost = stock_cached_step_cost(case) if parts else stock_step_cost(case)
        nbytes = nbytes if parts else espnet.cache_bytes(case, dtype)
    else:
        cost = step_cost(case, kind, "shared" if engine in OURS else "tiled")
        if engine in OURS:
            decoder = ours.decoder(case, kind)
        elif engine == "tiled":
            decoder = tiled.TiledDecoder(ours.decoder(case, kind))
        elif engine == "authors":
            decoder = authors.decoder(case, kind, dtype)
        else:
            raise InputError(
                f"{name}: give ours, plain, espnet, tiled or authors before ':'"
            )
    decoder = decoder.eval().to(device, dtype)
    if name == CACHED:
        engine, decoder = "ours", SearchView(decoder)
    elif kind and engine in OURS:
        some = Backend(graphs="graph" in parts, kernels="kernel" in parts)
        decoder = SearchView(decoder, some if engine == "plain" else None)
    search = beam_search(engine, decoder, case, device, dtype)
    cost += lm_step_cost(case, cached=engine != "espnet")
    return Contender(search, decoder, nbytes, cost)


def check_parts(
    name: str, engine: str, parts: Sequence[str], device: str, dtype: torch.dtype
) -> None:
    """Refuse a name under which nothing else would be measured than under another.

    Raises:
        InputError: not one part, or where parts do nothing.
    """
    if engine != "plain" or "+".join(parts) not in ("", "kernel", "graph"):
        raise InputError(f"{name}: give plain, plain+kernel, plain+graph or ours")
    cuda = device.startswith("cuda")
    if parts and not cuda:
        raise InputError(
            f"{name}: its part is one for GPUs, which needs --device cuda; give plain "
            "or ours on a CPU"
        )
    if not cuda and dtype != torch.float32:
        raise InputError(f"{name}: on a CPU plain is ours, but with --dtype float32")


CACHED = "espnet+cache"
"""ESPnet's decoder as :func:`espnet_mtla.accelerate` runs it, in our search."""
STOCK = ("espnet", CACHED)
OURS = ("ours", "plain", "espnet")
"""Engines whose decoder is ours where a variant is named."""


def beam_search(
    engine: str,
    decoder: torch.nn.Module,
    case: Case,
    device: str,
    dtype: torch.dtype,
) -> Any:
    """Return the engine's search around a decoder, with what else the case has."""
    from espnet_mtla.search.fast import FastBeamSearch

    kind = compat.batch_beam_search() if engine == "espnet" else FastBeamSearch
    eos = case.vocabulary - 1
    scorers = {"decoder": decoder}
    weights = {"decoder": 1 - case.ctc_weight}
    if case.ctc_weight:
        from espnet2.asr.ctc import CTC

        from espnet_mtla.search.ctc import CTCPrefixScorer

        scorer = compat.ctc_prefix_scorer() if engine == "espnet" else CTCPrefixScorer
        ctc = CTC(case.vocabulary, case.size).eval().to(device, dtype)
        scorers["ctc"] = scorer(ctc, eos, case.ctc_margin)
        weights["ctc"] = case.ctc_weight
    if case.lm_layers:
        lm = espnet.language_model(case).eval().to(device, dtype)
        scorers["lm"] = lm if engine == "espnet" else SearchView(lm)
        weights["lm"] = 0.5
    search = kind(
        scorers,
        weights,
        case.beam,
        case.vocabulary,
        sos=eos,
        eos=eos,
        pre_beam_score_key="full" if case.ctc_weight else None,
    )
    return search.eval().to(device, dtype)
