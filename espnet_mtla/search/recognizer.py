"""ESPnet's ``Speech2Text`` of a task with our search, over batches of utterances."""

import copy
import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_mtla import compat, limits
from espnet_mtla.decoder.scorer import StepScorer
from espnet_mtla.errors import InputError
from espnet_mtla.search import asking
from espnet_mtla.search.alone import Alone
from espnet_mtla.search.batch import Failure, halving
from espnet_mtla.search.ctc import CTCPrefixScorer
from espnet_mtla.search.encoding import FEW_FRAMES, Encoding, output, through_onednn
from espnet_mtla.search.fast import FastBeamSearch
from espnet_mtla.search.inputs import FRAME_SECONDS, Given, Input, input_of
from espnet_mtla.search.narrow import NARROW, check_narrow, narrow_encoder
from espnet_mtla.search.room import check_room
from espnet_mtla.search.view import SearchView, use_view
from espnet_mtla.task import TASKS

logger = logging.getLogger(__name__)

QUANTISED = torch.ao.nn.quantized.dynamic.Linear
ONE_BY_ONE = ("enh_s2t_task", "multi_asr", "run_chunk", "ctc_greedy", "ctc_only")
"""Attributes of a ``Speech2Text`` that decodes in a way of its own."""


class Recognizer:
    """Decodes utterances, several at once, with our search where there is one for it.

    Args:
        speech2text: ESPnet's, of a task of :data:`espnet_mtla.task.TASKS`. It stays as it
            is; weights that change later need another recogniser.
        ours: whether to put our search in; else it is all ESPnet's.
        dtype: "bfloat16" to compute in it, the weights left as they are; that of
            ``speech2text`` when empty.

    Attributes:
        inner: the same, with our search.
        put: what was put in.
        left: what was left as ESPnet has it, and why.

    Raises:
        InputError: it is another object, its beam is wider than memory, or it cannot
            compute in ``dtype``.
    """

    def __init__(
        self, speech2text: Any, ours: bool = True, dtype: str | torch.dtype = ""
    ):
        self.task = compat.task_of(speech2text) or ""
        if not self.task:
            raise InputError(
                f"{type(speech2text).__name__} is no Speech2Text of ESPnet's for "
                f"{', '.join(TASKS)}"
            )
        self.put: list[str] = []
        self.left: list[str] = []
        self.inner = copy.copy(speech2text)
        self.model, self.train_args = compat.model_of(self.task, speech2text)
        self.held = f"{TASKS[self.task].held_as}_model"
        self.dtype = self._type(dtype)
        self.input: Input = input_of(self.task, self.train_args)
        # a CPU gains nothing by several at once, and loses what is padded
        on_cpu = str(speech2text.device) == "cpu"
        model = self.model
        if self.dtype:
            self.model = narrow_encoder(model)
            self.put.append(f"{NARROW} (encoder)")
        elif ours and on_cpu:
            self.model = through_onednn(model)
            if self.model is not model:
                self.put.append("products of oneDNN (encoder)")
        setattr(self.inner, self.held, self.model)
        self.alone = Alone(self.inner, self.held, self.input)
        self.encode = Encoding(
            self.model,
            alone=True if on_cpu else None,
            judged=model if self.dtype else None,
        )
        self.joins = ours and self._set_up_search()

    def _type(self, dtype: str | torch.dtype) -> torch.dtype | None:
        """Return the type to compute in; None for the model's own."""
        dtype = str(dtype).removeprefix("torch.")
        if dtype in ("", self.inner.dtype):
            return None
        if dtype != NARROW:
            raise InputError(f"dtype {dtype}: give {NARROW}, or load the model in it")
        if self.inner.dtype != "float32" or self._quantised():
            raise InputError(
                f"dtype {NARROW}: load the model in float32, without quantised weights"
            )
        check_narrow(str(self.inner.device))
        return torch.bfloat16

    def _quantised(self) -> bool:
        scorers = getattr(self.inner.beam_search, "scorers", {}).values()
        asked = [self.model, *(s for s in scorers if isinstance(s, torch.nn.Module))]
        return any(isinstance(part, QUANTISED) for m in asked for part in m.modules())

    def _set_up_search(self) -> bool:
        """Put our search in; whether it takes several utterances."""
        search = self.inner.beam_search
        if search is None or not compat.takes_batches(search):
            kind = "no beam search" if search is None else type(search).__name__
            self.left.append(f"search ({kind})")
            return False
        self.inner.beam_search = search = copy.copy(search)
        for name in ("scorers", "full_scorers", "part_scorers"):
            setattr(search, name, dict(getattr(search, name)))
        search.__dict__.pop("_xs_mask_support", None)  # of other scorers
        limits.check(vars(search), {"beam_size": limits.DECODING["beam_size"]}, str)
        try:
            check_room(search.beam_size, search.n_vocab, next(self.model.parameters()))
        except MemoryError as e:
            raise InputError(f"beam_size {search.beam_size}: {e}") from None
        why = use_view(search, dtype=self.dtype)
        what = f"cached keys and values{f' in {NARROW}' if self.dtype else ''}"
        self.put += [f"{what} ({k})" for k, v in why.items() if not v]
        self.left += [f"{k} ({reason})" for k, reason in why.items() if reason]
        theirs = search.part_scorers.get("ctc")
        if type(theirs) is compat.ctc_prefix_scorer():
            ours = CTCPrefixScorer(theirs.ctc, theirs.eos, theirs.window_margin)
            search.scorers["ctc"] = search.part_scorers["ctc"] = ours
            self.put.append("CTC prefix scores in closed form")
        if why.get("decoder") or search.return_hs:
            self.left.append("search (the decoder is one for ESPnet's)")
            return False
        search.__class__ = FastBeamSearch  # as ESPnet itself chooses one
        self.put.append("search in tensors")
        ways = [name for name in ONE_BY_ONE if getattr(self.inner, name, False)]
        if getattr(self.model, "use_multidecoder", False):
            ways.append("use_multidecoder")
        if self._quantised():
            ways.append("quantised layers, which round by all that is in a product")
        if ways:
            self.left.append(f"batches ({ways[0]})")
        return not ways

    @property
    def decoder(self) -> Any:
        """What scores as the decoder, a view of it perhaps."""
        scorers = getattr(self.inner.beam_search, "scorers", {})
        return scorers.get("decoder", self.model.decoder)

    def log(self) -> None:
        """Say what was put in, and what was not."""
        logger.info("put in: %s", ", ".join(self.put) or "nothing")
        if self.left:
            logger.info("left as ESPnet has it: %s", ", ".join(self.left))

    def cached(self) -> dict[str, float | None]:
        """Return the cached numbers a text token, and a frame apart from it, and layer."""
        decoder = self.decoder
        steps = decoder.decoder if isinstance(decoder, SearchView) else decoder
        if not isinstance(steps, StepScorer):
            return {"cache_elements": None, "source_elements": None}
        source = getattr(steps.layers[0], "src_attn", None)
        return {
            "cache_elements": steps.attention.cache_elements,
            "source_elements": source and source.cache_elements,
        }

    def frames(self, given: Given) -> float:
        """How long an utterance is, as ``--batch_frames`` counts it."""
        if self.task == "s2t":  # padded to what it was trained on
            return self.inner.preprocessor_conf["speech_length"] / FRAME_SECONDS
        return len(given[self.input.name]) / self.input.frame

    def decode(
        self, batch: Sequence[Given], names: Sequence[str]
    ) -> list[Any | Failure]:
        """Decode utterances together, in halves where that fails.

        Args:
            batch: utterances.
            names: their ids, for messages.

        Returns:
            For each what ESPnet's call returns, or why there is nothing; an empty list
            where an utterance is too short for its encoder.

        Raises:
            InputError: the model gives NaN for numbers.
        """
        results: list[Any | Failure] = [[] for _ in batch]
        some = [i for i, given in enumerate(batch) if len(given[self.input.name])]
        for places in [some] if self.joins else [[i] for i in some]:
            found = halving(
                self, [batch[i] for i in places], [names[i] for i in places]
            )
            for i, result in zip(places, found):
                results[i] = result
        for name, result in zip(names, results):
            if isinstance(result, list) and not result:
                logger.warning("%s: too short, or nothing was found: left empty", name)
        return results

    def __call__(self, batch: Sequence[Given]) -> list[Any]:
        """Decode utterances together, none of them empty; see :meth:`decode`."""
        if len(batch) > 1 and self.joins:
            return self._together(batch)
        return [self.alone(given) for given in batch]

    @torch.no_grad()
    def _together(self, batch: Sequence[Given]) -> list[Any]:
        """Decode several utterances, those of one kind at once."""
        questions = [asking.ask(self.inner, self.held, given) for given in batch]
        kinds: dict[tuple, list[int]] = {}
        for i, question in enumerate(questions):
            kinds.setdefault(question.kind, []).append(i)
        results: list[Any] = [None] * len(batch)
        for places in kinds.values():
            encoded = self.encode([questions[i] for i in places])
            long = [n for n, (_, frames) in enumerate(encoded) if frames > FEW_FRAMES]
            for n, place in enumerate(places):  # may fail: before others are searched
                if n not in long:
                    results[place] = self.alone(batch[place])
            found = self._search(
                [encoded[n] for n in long], [questions[places[n]].primer for n in long]
            )
            for n, hypotheses in zip(long, found):
                results[places[n]] = asking.answer(
                    self.inner, self.held, batch[places[n]], encoded[n][0], hypotheses
                )
        return results

    def _search(
        self, encoded: list[tuple[Any, int]], primers: list[list[int] | None]
    ) -> list[list]:
        """Search the encoder outputs of several utterances; their hypotheses."""
        if not encoded:
            return []
        search = self.inner.beam_search
        search.n_best = self.inner.nbest
        outputs = [output(out)[0] for out, _ in encoded]
        before = search.hyp_primer
        if primers[0] is not None:
            search.set_hyp_primer(primers)
        try:
            return search(
                x=pad_sequence(outputs, batch_first=True),
                x_lengths=torch.tensor(
                    [n for _, n in encoded], device=outputs[0].device
                ),
                maxlenratio=self.inner.maxlenratio,
                minlenratio=self.inner.minlenratio,
            )
        finally:
            search.set_hyp_primer(before)
