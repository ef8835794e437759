"""Plots a benchmark's JSON.

    python -m bench.plot bench/results/scaling.json --output scaling.svg

Curves for scaling and training, bars for decoding and CTC. Needs matplotlib:
``pip install -e ".[bench]"``.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import machine
from bench.layout import where
from bench.tables import labels_and_figures
from espnet_mtla.bin import run
from espnet_mtla.errors import InputError


def curves(axes, data: dict, key: str, unit: str, scale: float) -> None:
    """Draw one field of all cases against their length, a line for each contender."""
    axis = data.get("axis", "prompt")
    lengths = [case["case"][axis] for case in data["cases"]]
    for i, first in enumerate(data["cases"][0]["results"]):
        values = [scale * case["results"][i][key] for case in data["cases"]]
        axes.loglog(lengths, values, marker="o", label=first["name"])
    axes.set_xticks(lengths, [str(n) for n in lengths])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter("{x:g}")
    if max(values) < 20 * min(values):  # hardly a power of ten to label
        axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel({"prompt": "prompt frames", "tokens": "text tokens"}[axis])
    axes.set_ylabel(unit)
    axes.grid(alpha=0.3)


def bars(axes, names: Sequence[str], values: Sequence[float], unit: str) -> None:
    """Draw one figure of each contender."""
    axes.barh(range(len(names)), values)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel(unit)


def draw_scaling(figure, data: dict) -> None:
    """Draw a step's time and the cache."""
    left, right = figure.subplots(1, 2)
    curves(left, data, "ms_step", "ms/step", 1.0)
    curves(right, data, "cache_bytes", "cache MB", 1e-6)
    left.legend()


def draw_train(figure, data: dict) -> None:
    """Draw a step's time and memory."""
    left, right = figure.subplots(1, 2)
    curves(left, data, "seconds", "s/step", 1.0)
    curves(right, data, "peak_bytes", "peak MB", 1e-6)
    left.legend()


def draw_bars(figure, data: dict) -> None:
    """Draw what the benchmark's table compares first."""
    panels = labels_and_figures(data)
    for axes, (unit, names, values) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels
    ):
        bars(axes, names, values, unit)


DRAW: dict[str, Callable] = {
    "scaling": draw_scaling,
    "train": draw_train,
    "decode": draw_bars,
    "ctc": draw_bars,
}


SAME = {"Date": None}
"""What a figure's file says of its making: nothing, so that it changes with its data."""


def main(argv: Sequence[str] | None = None) -> None:
    """Draw one plot."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.plot", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("results", type=Path, help="JSON of a benchmark")
    parser.add_argument("--output", type=Path, help="default: SVG beside the JSON")
    args = parser.parse_args(argv)
    data = machine.read(args.results)
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError('plots need matplotlib: pip install -e ".[bench]"') from None
    matplotlib.rcParams["svg.hashsalt"] = "bench"  # of ids
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    DRAW[data["bench"]](figure, data)
    figure.suptitle(where(data), fontsize=8)
    output = args.output or args.results.with_suffix(".svg")
    figure.savefig(output, metadata=SAME)
    print(output)


if __name__ == "__main__":
    run(main)
