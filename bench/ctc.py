"""CTC prefix scores: ours against ESPnet's, in one interleaved run.

    python -m bench.ctc --output ctc.json

Both scorers are driven as ``BatchBeamSearch`` drives them, without the search and
the decoder: the log posteriors set up, then at every token the pre-beam's labels
scored and the beam's choice followed. Posteriors and choices are random, the same
for both. They take turns, after a warm-up; times are medians: on a GPU wall time, on
a CPU the process's own time, which other work on the machine hardly changes.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

from bench import machine
from bench.tables import finish
from espnet_mtla.bin import run

PRE_BEAM = 1.5
"""Labels scored a hypothesis are that times the beam, as in ESPnet."""


@dataclass
class Case:
    """What is decoded: ``B``, ``K``, ``T``, ``L``, ``V``, ESPnet's window."""

    utterances: int = 1
    beam: int = 10
    frames: int = 250
    tokens: int = 40
    vocabulary: int = 5000
    margin: int = 0


CASES = (
    Case(),
    Case(margin=100),
    Case(vocabulary=500),
    Case(frames=750),
    Case(beam=50),
    Case(utterances=8),
)


class Posteriors:
    """A CTC module without weights: its input is its logits."""

    def log_softmax(self, x: torch.Tensor) -> torch.Tensor:
        """Log posteriors of ``(B, T, V)``."""
        return x.log_softmax(-1)


class Decoding:
    """A case's random posteriors, and what its beam scores and chooses."""

    def __init__(self, case: Case, device: str, dtype: torch.dtype):
        n_utt, beam, n_vocab = case.utterances, case.beam, case.vocabulary
        self.case = case
        logits = 3 * torch.randn(n_utt, case.frames, n_vocab, device=device)
        self.logits = logits.to(dtype)
        self.lengths = torch.linspace(0.7, 1.0, n_utt).mul(case.frames).long()
        self.lengths[-1] = case.frames
        self.steps = []
        y = torch.full((n_utt * beam, 1), n_vocab - 1, device=device)
        first = beam * torch.arange(n_utt, device=device)[:, None]
        for _ in range(case.tokens):
            weights = torch.rand(len(y), n_vocab - 2, device=device)
            ids = 1 + weights.topk(int(PRE_BEAM * beam))[1]  # no blank, no <eos>
            parents = torch.randint(beam, (n_utt, beam), device=device)
            label = ids[(parents + first).flatten(), torch.arange(len(y)) % ids.size(1)]
            self.steps.append((y, ids, parents * n_vocab + label.view(n_utt, beam)))
            y = torch.cat((y[(parents + first).flatten()], label[:, None]), 1)

    def run(self, scorer) -> list[torch.Tensor]:
        """Return the scores of every step's labels."""
        x, scores = self.logits, []
        state = scorer.batch_init_state(x, xs_lengths=self.lengths.to(x.device))
        state = [state] * len(self.steps[0][0])
        for y, ids, best in self.steps:
            table, state = scorer.batch_score_partial(y, ids, state, x)
            state = scorer.batch_select_state(state, best)
            scores.append(table.gather(1, ids))
        return scores


def measure(
    case: Case, device: str, repeats: int, dtype: torch.dtype = torch.float32
) -> dict:
    """Time both scorers on a case in turns.

    Returns:
        The case, times of both, the medians compared, how many times faster ours
        is, and the largest difference of a score.
    """
    from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer as Theirs

    from espnet_mtla.search.ctc import CTCPrefixScorer as Ours

    decoding = Decoding(case, device, dtype)
    scorers = {
        name: kind(Posteriors(), case.vocabulary - 1, case.margin)
        for name, kind in (("espnet", Theirs), ("ours", Ours))
    }
    scores = {name: decoding.run(scorer) for name, scorer in scorers.items()}
    bodies = {n: lambda s=scorer: decoding.run(s) for n, scorer in scorers.items()}
    times = machine.take_turns(device, bodies, repeats)
    clock = "seconds" if device.startswith("cuda") else "cpu_seconds"
    medians = {name: times[name][clock] for name in scorers}
    pairs = zip(scores["espnet"], scores["ours"])
    return {
        "case": asdict(case),
        "times": times,
        "median": medians,
        "speed_up": medians["espnet"] / medians["ours"],
        "difference": max(float((a - b).abs().max()) for a, b in pairs),
    }


def main(argv: Sequence[str] | None = None, cases: Sequence[Case] = CASES) -> None:
    """Measure the cases and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.ctc", description=__doc__.partition("\n")[0]
    )
    machine.add_options(parser)
    args = parser.parse_args(argv)
    machine.set_up(args.device, args.threads)
    data = {
        "bench": "ctc",
        "machine": machine.describe(args.device),
        "dtype": args.dtype,
        "cases": [
            measure(case, args.device, args.repeats, machine.DTYPES[args.dtype])
            for case in cases
        ],
    }
    finish(data, args.output, argv)


if __name__ == "__main__":
    run(main)
