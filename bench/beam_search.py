"""What a beam search costs beside its scorers: ESPnet's and ours.

    python -m bench.beam_search --size 144 --layers 3 --beam 10 --ctc

decodes random encoder outputs with a random MTLA decoder, one thread, and prints
CPU milliseconds for each step, in the scorers and outside: the fastest of some
runs. ``<eos>`` is made likely, so that hypotheses end all the time.
"""

import argparse
import functools
import logging
import time

import torch
from espnet2.asr.ctc import CTC
from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer
from espnet2.legacy.nets.scorers.length_bonus import LengthBonus

from espnet_mtla import compat
from espnet_mtla.decoder.variants import MTLADecoder
from espnet_mtla.search.fast import FastBeamSearch

METHODS = [
    "batch_init_state",
    "batch_score",
    "batch_score_partial",
    "select_state",
    "batch_select_state",
    "select_utterances",
]


def watch(scorer: object, spent: dict) -> None:
    """Add the CPU time of a scorer's methods to ``spent``."""
    for name in METHODS:
        if hasattr(scorer, name):
            method = getattr(scorer, name)

            @functools.wraps(method)
            def timed(*args, method=method, name=name, **kwargs):
                begin = time.process_time()
                result = method(*args, **kwargs)
                spent["seconds"] += time.process_time() - begin
                spent["steps"] += name == "batch_score"
                return result

            setattr(scorer, name, timed)


def main() -> None:
    """Measure and print one line for each search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (
        ("size", 512),
        ("layers", 9),
        ("beam", 10),
        ("vocab", 1000),
        ("frames", 100),
        ("utterances", 1),
        ("tokens", 30),
        ("repeats", 5),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--ctc", action="store_true", help="with CTC prefix scores")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    logging.disable(logging.WARNING)
    decoder = MTLADecoder(
        args.vocab, args.size, linear_units=4 * args.size, num_blocks=args.layers
    ).eval()
    decoder.output_layer.bias.data[-1] = 2.0
    x = torch.randn(args.utterances, args.frames, args.size)
    bonus = LengthBonus(args.vocab)
    spent: dict = {}
    watch(decoder, spent)
    if args.ctc:
        ctc = CTCPrefixScorer(CTC(args.vocab, args.size).eval(), args.vocab - 1)
        watch(ctc, spent)
    for kind in (compat.batch_beam_search(), FastBeamSearch):
        search = kind(
            {
                "decoder": decoder,
                "length_bonus": bonus,
                "ctc": ctc if args.ctc else None,
            },
            {"decoder": 0.7, "length_bonus": 0.1, "ctc": 0.3},
            args.beam,
            args.vocab,
            sos=args.vocab - 1,
            eos=args.vocab - 1,
            pre_beam_score_key="full",
        ).eval()
        runs = []
        for _ in range(args.repeats):
            spent.update(seconds=0.0, steps=0)
            begin = time.process_time()
            with torch.no_grad():
                found = search(x, maxlenratio=-args.tokens)
            runs.append((time.process_time() - begin, spent["seconds"]))
        total, inside = (1000 * t / spent["steps"] for t in min(runs))
        print(
            f"{kind.__name__}: {total:.2f} ms a step, {total - inside:.2f} of it outside "
            f"the scorers ({1 - inside / total:.0%}); {spent['steps']} steps, "
            f"{sum(len(h) for h in found)} hypotheses ended"
        )


if __name__ == "__main__":
    main()
