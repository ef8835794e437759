"""What a beam search chose at every step, and the hypotheses that follow."""

from dataclasses import dataclass

import torch

from espnet_mtla import compat


@dataclass
class Choice:
    """One step's choice, on the device, for the ``B`` utterances still searched.

    Attributes:
        rows: which of the search's utterances those are, on the host.
        top_ids: parent and token of each new hypothesis, ``h * V + v``, ``(B, K)``.
        ended: which of them end with this step, to be returned, ``(B, K)``.
        score: their scores, ``(B, K)``.
        sums: their scores by each scorer, ``(B, K, scorers)``.
    """

    rows: list[int]
    top_ids: torch.Tensor
    ended: torch.Tensor
    score: torch.Tensor
    sums: torch.Tensor


class NotANumber(ArithmeticError):
    """Scores are NaN: of weights or inputs that are no numbers.

    Args:
        utterances: whose they are, of those searched together.
    """

    def __init__(self, utterances: list[int]):
        super().__init__(f"scores of utterances {utterances} are NaN")


class History:
    """Collects choices; read back and made into objects when the search is over.

    Args:
        primer: what the hypotheses of each utterance begin with, ``(B, P)``.
        n_vocab: ``V``.
        names: of the scorers.
    """

    def __init__(self, primer: torch.Tensor, n_vocab: int, names: list[str]):
        self.primer = primer.cpu()
        self.n_vocab = n_vocab
        self.names = names
        self.choices: list[Choice] = []

    def _gather(self, name: str) -> torch.Tensor:
        """One field of all choices and utterances, ``(steps, B, K, ...)``."""
        parts = [getattr(choice, name) for choice in self.choices]
        values = torch.cat(parts).cpu()
        sizes = torch.tensor([len(part) for part in parts])
        step = torch.arange(len(parts)).repeat_interleave(sizes)
        rows = torch.tensor([row for choice in self.choices for row in choice.rows])
        out = values.new_zeros(len(parts), len(self.primer), *values.shape[1:])
        out[step, rows] = values
        return out

    def not_numbers(self) -> list[int]:
        """Return the utterances that a score was no number in."""
        if not self.choices:
            return []
        bad = self._gather("score").isnan().any(2).any(0)
        return bad.nonzero().flatten().tolist()

    def hypotheses(self, eos: int, maxlens: list[int]) -> list[list]:
        """Follow hypotheses that ended back to their first token.

        Args:
            eos: appended once more to those that reach their longest length.
            maxlens: that length, for each utterance.

        Returns:
            For each utterance ESPnet's ``Hypothesis`` objects, in the order in
            which they ended; on the host, and without scorer states.
        """
        found: list[list] = [[] for _ in maxlens]
        if not self.choices:
            return found
        step, utt, slot = self._gather("ended").nonzero(as_tuple=True)
        score = self._gather("score")[step, utt, slot]
        sums = self._gather("sums")[step, utt, slot]
        top_ids = self._gather("top_ids")
        n_primer, n_steps = self.primer.shape[1], len(top_ids)
        tokens = torch.full((len(step), n_primer + n_steps + 1), eos)
        tokens[:, :n_primer] = self.primer[utt]
        firsts = torch.searchsorted(step, torch.arange(n_steps)).tolist()
        for i in reversed(range(n_steps)):
            late = slice(firsts[i], None)  # hypotheses that step i extended
            chosen = top_ids[i, utt[late], slot[late]]
            tokens[late, n_primer + i] = chosen % self.n_vocab
            slot[late] = chosen // self.n_vocab
        sizes = n_primer + step + 1 + (step + 1 == torch.tensor(maxlens)[utt])
        kind = compat.hypothesis()
        for b, size, *fields in zip(
            utt.tolist(), sizes.tolist(), tokens, score, sums.unbind()
        ):
            row, total, parts = fields
            scores = dict(zip(self.names, parts.unbind()))
            found[b].append(kind(yseq=row[:size], score=total, scores=scores))
        return found
