"""CTC prefix scores: ours against ESPnet's, in one interleaved run.

    python -m bench.ctc --output ctc.json

Both scorers are driven as ``BatchBeamSearch`` drives them, without the search and
the decoder: the log posteriors set up, then at every token the pre-beam's labels
scored and the beam's choice followed. Posteriors and choices are random, the same
for both. They take turns, after a warm-up; times are medians: on a GPU wall time, on
a CPU the one thread's own time, which other work on the machine hardly changes.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path

import torch

from espnet_mtla.bin import run
from espnet_mtla.corpora.datadir import atomic_open

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

    def __init__(self, case: Case, device: str):
        n_utt, beam, n_vocab = case.utterances, case.beam, case.vocabulary
        self.case = case
        self.logits = 3 * torch.randn(n_utt, case.frames, n_vocab, device=device)
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

    def run(self, scorer) -> tuple[float, list[torch.Tensor]]:
        """Return seconds, and the scores of every step's labels."""
        x = self.logits.clone()
        scores = []
        start = self._now()
        state = scorer.batch_init_state(x, xs_lengths=self.lengths.to(x.device))
        state = [state] * len(self.steps[0][0])
        for y, ids, best in self.steps:
            table, state = scorer.batch_score_partial(y, ids, state, x)
            state = scorer.batch_select_state(state, best)
            scores.append(table.gather(1, ids))
        return self._now() - start, scores

    def _now(self) -> float:
        if not self.logits.is_cuda:
            return time.thread_time()
        torch.cuda.synchronize()
        return time.perf_counter()


def measure(case: Case, device: str, repeats: int) -> dict:
    """Time both scorers on a case in turns.

    Returns:
        The case, seconds of every run and their medians, how many times faster
        ours is, and the largest difference of a score.
    """
    from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer as Theirs

    from espnet_mtla.search.ctc import CTCPrefixScorer as Ours

    decoding = Decoding(case, device)
    scorers = {
        name: kind(Posteriors(), case.vocabulary - 1, case.margin)
        for name, kind in (("espnet", Theirs), ("ours", Ours))
    }
    scores = {name: decoding.run(scorer)[1] for name, scorer in scorers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in scorers}
    for _ in range(repeats):
        for name, scorer in scorers.items():
            seconds[name].append(decoding.run(scorer)[0])
    medians = {name: statistics.median(s) for name, s in seconds.items()}
    pairs = zip(scores["espnet"], scores["ours"])
    return {
        **asdict(case),
        "seconds": seconds,
        "median": medians,
        "speed_up": medians["espnet"] / medians["ours"],
        "difference": max(float((a - b).abs().max()) for a, b in pairs),
    }


def main(argv: Sequence[str] | None = None, cases: Sequence[Case] = CASES) -> None:
    """Measure the cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each scorer")
    parser.add_argument("--output", type=Path, help="JSON with every figure")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    cuda = args.device.startswith("cuda")
    names = [field.name for field in fields(Case)]
    print("|" + "|".join([*names, "ESPnet ms/token", "ours", "faster", "diff."]) + "|")
    print("|" + " --- |" * (len(names) + 4))
    results = []
    for case in cases:
        result = measure(case, args.device, args.repeats)
        results.append(result)
        times = [1e3 * result["median"][n] / case.tokens for n in ("espnet", "ours")]
        columns = [str(v) for v in asdict(case).values()]
        columns += [f"{t:.2f}" for t in times] + [f"{result['speed_up']:.1f}"]
        print("|" + "|".join([*columns, f"{result['difference']:.0e}"]) + "|")
    if args.output:
        summary = {
            "device": torch.cuda.get_device_name() if cuda else platform.processor(),
            "threads": 1,
            "versions": {n: version(n) for n in ("espnet", "espnet_mtla", "torch")},
            "cases": results,
        }
        with atomic_open(args.output) as f:
            json.dump(summary, f, indent=2)
            f.write("\n")


if __name__ == "__main__":
    run(main)
