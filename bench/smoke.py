"""Short checks on a GPU, before anything is timed there.

    python -m bench.smoke --what decoders --device cuda --output smoke.json

``decoders``: training, steps and a search of every variant, against the same weights
on the CPU in float32; ``kernels`` and ``graphs``: the tests of the parts for GPUs.
"""

import argparse
import copy
import itertools
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from bench import machine
from bench.contender import CACHED, beam_search
from bench.peers import espnet, ours
from bench.tables import finish
from bench.work import Case, add_options, chosen
from espnet_mtla.bin import run
from espnet_mtla.search.view import use_view
from espnet_mtla.variant import VARIANTS

CHECKED = (*(variant.short for variant in VARIANTS.values()), "mtla3", CACHED)
CASE = Case(
    utterances=2,
    beam=4,
    prompt=51,
    tokens=8,
    ctc_weight=0.3,
    layers=3,
    vocabulary=1000,
)
# relative differences (norms): rounding of a type through some layers
ALLOWED = {
    "float32": {"forward": 1e-4, "gradients": 1e-3, "steps": 1e-4, "search": 1e-3},
    "bfloat16": {"forward": 4e-2, "gradients": 1e-1, "steps": 4e-2, "search": 4e-2},
}
TESTS = Path(__file__).parent.parent / "test" / "espnet_mtla"
SUITES = {
    "kernels": (TESTS / "attention" / "kernel_cases.py",),
    "graphs": (TESTS / "search" / "test_graph.py", "-k", "equals_ordinary and {}"),
}


def decoders(
    case: Case, device: str, at: Callable[[str], object], without: Mapping[str, str]
) -> list[dict]:
    """Compare every variant in every type with the CPU."""
    checks = []
    for name, dtype in itertools.product(CHECKED, ALLOWED):
        check: dict = {"name": f"{name} {dtype}"}
        if check["name"] in without:
            continue
        at(check["name"])
        begin = time.perf_counter()
        check["differences"] = differences(case, name, device, dtype)
        check["seconds"] = time.perf_counter() - begin
        wrong = [
            f"{what} off by {difference:.1e}, allowed are {ALLOWED[dtype][what]:.0e}"
            for what, difference in check["differences"].items()
            if not difference <= ALLOWED[dtype][what]  # NaN is not
        ]
        if wrong:
            check["error"] = "AssertionError: " + "; ".join(wrong)
        checks.append(check)
    return checks


def differences(case: Case, name: str, device: str, dtype: str) -> dict[str, float]:
    """Relative differences of a decoder on ``device`` to the CPU in float32."""
    kind = machine.DTYPES[dtype]
    stock = name == CACHED
    model = (espnet.decoder(case) if stock else ours.decoder(case, name)).eval()
    for gain in model.buffers():  # else new gates hardly differ from 0.5
        gain.fill_(0.7)
    x = torch.randn(case.utterances, case.prompt, case.size).to(kind)
    tokens = torch.randint(1, case.vocabulary - 1, (case.utterances, case.tokens))
    search = beam_search("ours", model, case, "cpu", kind)
    found = []
    for s, where, to in (
        (copy.deepcopy(search), "cpu", torch.float32),
        (search, device, kind),
    ):
        for scorer in s.scorers.values():  # the decoder, and what holds the CTC
            getattr(scorer, "ctc", scorer).to(where, to)
        s.to(where, to)
        decoder, here = s.scorers["decoder"], x.to(where, to)
        use_view(s)
        results = [
            *trained(decoder, here, tokens.to(where)),
            stepped(s.scorers["decoder"], here, tokens.to(where)),
        ]
        with torch.inference_mode():
            nbest = s(here, maxlenratio=-float(case.tokens))
        results.append(torch.stack([torch.as_tensor(n[0].score) for n in nbest]))
        found.append([r.detach().cpu().double() for r in results])
    return {
        what: float((got - want).norm() / want.norm())
        for what, want, got in zip(ALLOWED[dtype], *found)
    }


def trained(
    decoder: torch.nn.Module, x: torch.Tensor, tokens: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores of a ragged batch's texts, and all gradients in a row."""
    lengths = torch.arange(x.shape[1], x.shape[1] - len(x), -1, device=x.device)
    n_tokens = torch.full((len(x),), tokens.shape[1], device=x.device)
    logits, _ = decoder(x, lengths, tokens, n_tokens)
    scores = logits[..., :-1].float().log_softmax(-1)  # without <eos>
    total = scores.gather(-1, tokens[..., None]).sum()
    grads = torch.autograd.grad(total, list(decoder.parameters()))
    return centred(scores), torch.cat([g.flatten().float() for g in grads])


@torch.no_grad()
def stepped(view: Any, x: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Scores behind some tokens, one step each."""
    state = [view.batch_init_state(x)] * len(x)
    scores = []
    for i in range(4):
        found, state = view.batch_score(tokens[:, : i + 1], state, None)
        scores.append(found[:, :-1])
    return centred(torch.cat(scores))


def centred(scores: torch.Tensor) -> torch.Tensor:
    """Log-probabilities less their mean, which is large and the same for all."""
    return scores - scores.mean(-1, keepdim=True)


class Heard:
    """A plugin of pytest that keeps what each test took, and how it failed."""

    def __init__(self, at: Callable[[str], object], without: Mapping[str, str]):
        self.at, self.without = at, without
        self.checks: list[dict] = []

    def pytest_collection_modifyitems(self, items: list) -> None:
        """Leave out what is known to fail."""
        items[:] = [i for i in items if _name(i.nodeid) not in self.without]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell which test runs next."""
        self.at(_name(nodeid))

    def pytest_runtest_logreport(self, report) -> None:
        """Keep a test's result; that of its set-up where this failed."""
        if report.when == "call" or report.failed:
            check = {"name": _name(report.nodeid), "seconds": report.duration}
            if report.failed:
                crash = getattr(report.longrepr, "reprcrash", None)
                check["error"] = crash.message if crash else str(report.longrepr)
            self.checks.append(check)


def _name(nodeid: str) -> str:
    return nodeid.rpartition("::")[2]


def suite(
    what: str, device: str, at: Callable[[str], object], without: Mapping[str, str]
) -> list[dict]:
    """Run one of :data:`SUITES` in this process."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    import pytest

    heard = Heard(at, without)
    words = [str(word).format(device) for word in SUITES[what]]
    pytest.main(["-p", "no:cacheprovider", "--tb=short", *words], plugins=[heard])
    if not heard.checks:
        raise RuntimeError(f"{what}: pytest ran no test")
    return heard.checks


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.smoke", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--what", choices=("decoders", *SUITES), default="decoders")
    machine.add_options(parser)
    add_options(parser)
    return parser.parse_args(argv)


def measured(
    args: argparse.Namespace,
    without: Mapping[str, str] | None = None,
    at: Callable[[str], object] = machine.nobody,
) -> dict:
    """Run the checks; ``failed`` says which failed and how.

    Args:
        args: as :func:`parse` returns them.
        without: checks that ended this process before, and how.
        at: told which check runs.
    """
    without = without or {}
    machine.set_up(args.device, args.threads)
    logging.disable(logging.WARNING)
    about = machine.describe(args.device)
    if args.what == "decoders":
        checks = decoders(chosen(args, CASE), args.device, at, without)
    else:
        checks = suite(args.what, args.device, at, without)
    errors = {c["name"]: first_line(c["error"]) for c in checks if "error" in c}
    return {
        "bench": "smoke",
        "what": args.what,
        "machine": about,
        "dtype": "every type",
        "checks": checks,
        "failed": {**without, **errors},
    }


def first_line(text: str) -> str:
    """Return what an error says, in one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:200] if lines else "no message"


def main(argv: Sequence[str] | None = None) -> None:
    """Run checks and print what they found."""
    args = parse(argv)
    finish(measured(args), args.output, argv)


if __name__ == "__main__":
    run(main)
