"""ESPnet's model and beam search of a task, over batches of utterances."""

import argparse
import inspect
import logging
from collections.abc import Sequence

import torch
from torch.nn.utils.rnn import pad_sequence

from espnet_mtla.errors import InputError

logger = logging.getLogger(__name__)


class Recognizer:
    """ESPnet's ``Speech2Text`` of a task, over batches of utterances.

    Args:
        task: of :data:`espnet_mtla.task.TASKS`.
        args: options of ESPnet's ``<task>_inference``, parsed.
    """

    def __init__(self, task: str, args: argparse.Namespace):
        from espnet_mtla import compat, registry
        from espnet_mtla.decoder.prompt import PromptDecoder
        from espnet_mtla.search.ctc import CTCPrefixScorer
        from espnet_mtla.search.fast import FastBeamSearch
        from espnet_mtla.search.frontend import AloneFrontend
        from espnet_mtla.search.inputs import input_of
        from espnet_mtla.search.view import use_view

        registry.register([task])
        speech2text = compat.speech2text_class(task)
        known = inspect.signature(speech2text.__init__).parameters
        options = {k: v for k, v in vars(args).items() if k in known}
        # with batch_size 1 ESPnet sets up BatchBeamSearch, which takes batches
        options.update(batch_size=1, device="cuda" if args.ngpu else "cpu")
        self.inner = speech2text(**options)
        search = self.inner.beam_search
        if not compat.takes_batches(search):
            raise InputError("this model or a scorer cannot be batched (see the log)")
        self.model, self.train_args = compat.model_of(task, self.inner)
        if isinstance(self.model.decoder, PromptDecoder):
            search.__class__ = FastBeamSearch  # as ESPnet itself chooses one
            use_view(search)
        self.decoder = search.scorers.get("decoder", self.model.decoder)
        if theirs := search.part_scorers.get("ctc"):
            ours = CTCPrefixScorer(theirs.ctc, theirs.eos, theirs.window_margin)
            search.scorers["ctc"] = search.part_scorers["ctc"] = ours
        # ESPnet's st_inference takes this option and forgets it
        search.normalize_length = args.normalize_length
        self.input = input_of(task, self.train_args)
        if self.input.name == "speech" and self.model.frontend is not None:
            self.model.frontend = AloneFrontend(self.model.frontend)
        self.device = options["device"]
        self.dtype = getattr(torch, args.dtype)
        self.nbest = args.nbest

    @torch.no_grad()
    def encode(self, batch: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Encode utterances, ``(samples,)`` each, to ``(B, T, D)`` and ``(B,)``."""
        lengths = torch.tensor([len(x) for x in batch], device=self.device)
        padded = pad_sequence(list(batch), True, self.input.padding)
        if padded.is_floating_point():
            padded = padded.to(self.dtype)
        encoded, lengths = self.model.encode(padded.to(self.device), lengths)[:2]
        if isinstance(encoded, tuple):  # intermediate CTC's outputs come with it
            encoded = encoded[0]
        return encoded, lengths

    @torch.no_grad()
    def __call__(self, batch: Sequence[torch.Tensor]) -> list[list[tuple]]:
        """Decode utterances together.

        Returns:
            For each, up to ``nbest`` of ``(text, token, token_int, score)``; none
            where an utterance is empty, or too short for the encoder.
        """
        from espnet_mtla.compat import TooShortUttError

        if not all(map(len, batch)):
            return self._some(batch, [len(x) > 0 for x in batch])
        try:
            encoded, lengths = self.encode(batch)
        except TooShortUttError as e:
            # ESPnet looks at the padded size: so all of them are
            logger.warning("too short to be encoded, left empty: %s", e)
            return [[] for _ in batch]
        if not lengths.all():
            return self._some(batch, lengths.tolist())
        ratios = {
            "maxlenratio": self.inner.maxlenratio,
            "minlenratio": self.inner.minlenratio,
        }
        if len(batch) == 1:
            found = [self.inner.beam_search(x=encoded[0], **ratios)]
        else:
            found = self.inner.beam_search(x=encoded, x_lengths=lengths, **ratios)
        return [[self._result(h) for h in hyps[: self.nbest]] for hyps in found]

    def _some(self, batch: Sequence[torch.Tensor], kept: Sequence) -> list[list]:
        """Decode those that are kept; the others are left empty."""
        some = [x for x, keep in zip(batch, kept) if keep]
        found = iter(self(some) if some else [])
        return [next(found) if keep else [] for keep in kept]

    def _result(self, hypothesis) -> tuple:
        """Turn a hypothesis into text as ESPnet's ``Text2Text`` does."""
        # one that ends where the search stops has a second end of sentence, which
        # ESPnet's other tasks leave in the text
        no_text = (0, self.inner.beam_search.eos)
        token_int = [t for t in hypothesis.yseq[1:].tolist() if t not in no_text]
        token = self.inner.converter.ids2tokens(token_int)
        tokenizer = self.inner.tokenizer
        text = tokenizer.tokens2text(token) if tokenizer else " ".join(token)
        return text, token, token_int, float(hypothesis.score)
