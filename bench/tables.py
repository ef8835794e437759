"""Tables of benchmarks' figures, and what their bars show."""

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import machine
from bench.gpu_tables import profile_table, smoke_table
from bench.layout import amount, missing, percent, setting, table, where
from bench.learning_tables import attention_table, curves_table
from espnet_mtla.scoring.table import paper_figures


def decode_table(data: dict) -> str:
    """Table of one case of decoding."""
    case, results = data["case"], data["results"]
    ceilings = data["ceilings"]
    about = (
        f"{case['utterances']} utterances x {case['prompt']} prompt frames, beam "
        f"{case['beam']}, {case['tokens']} tokens, CTC weight {case['ctc_weight']:g}, "
        f"{setting(case)}; {where(data)}. The encoder apart: "
        f"{amount(data['encoder']['seconds'])} s. Ceilings measured: "
        f"{amount(ceilings['flops'] / 1e9)} GFLOP/s, "
        f"{amount(ceilings['bytes'] / 1e9)} GB/s."
    )
    head = ["", "s", "ms/step", "hyp. steps/s", "RTFx", "cache MB", "peak MB"]
    head += ["matmul rate", "roofline", "outside scorers", "runs"]
    captures = any(r.get("capture_seconds") for r in results)
    head += ["captures s"] * captures
    rows = [
        [
            f"`{r['name']}`",
            *map(amount, (r["seconds"], r["ms_step"], r["hyp_steps_s"], r["rtfx"])),
            amount(r["cache_bytes"] / 1e6),
            amount(r["peak_bytes"] / 1e6),
            percent(r["flops_share"]),
            percent(r["roofline"]),
            percent(r["shares"]["search_seconds"] / sum(r["shares"].values())),
            str(len(r["runs"])),
            *[amount(r.get("capture_seconds"))] * captures,
        ]
        for r in results
    ]
    return "\n".join([about, "", table(head, rows), "", ratios(data)]).rstrip()


def brief_table(data: dict) -> str:
    """Narrow table of decoding, for those who want to know what they gain."""
    results = {r["name"]: r for r in data["results"]}
    stock = results.get("espnet")
    rows = [
        [
            f"`{name}`",
            amount(r["seconds"]),
            amount(r["ms_step"]),
            amount(stock["seconds"] / r["seconds"] if stock else None),
            amount(r["cache_bytes"] / 1e6),
        ]
        for name, r in results.items()
    ]
    head = ["", "s", "ms/step", "x faster than ESPnet's decoder", "cache MB"]
    case = data["case"]
    return (
        f"{case['utterances']} utterances x {case['prompt']} encoder frames, beam "
        f"{case['beam']}, {case['tokens']} tokens, {case['layers']} layers of "
        f"{case['size']}; {where(data)}.\n\n" + table(head, rows)
    )


def ratios(data: dict) -> str:
    """Table of how many times faster and smaller each row is than some others."""
    results = {r["name"]: r for r in data["results"]}
    bases = [n for n in BASES if n in results]
    paper = {}
    of_paper = data.get("preset") == "paper-st"
    if of_paper and (published := paper_figures("must_c", "st")):
        rows = published["rows"]
        paper = {f"tiled:{name.replace(' s=', '')}": r for name, r in rows.items()}
    head = [""]
    for base in bases:
        head += [f"x faster than `{base}`", "cache x smaller", "peak x smaller"]
    parts = any(without_parts(name) in results for name in results)
    head += ["x faster than without its parts"] * parts
    if paper:
        head += ["paper: faster than MHA", "paper: memory"]
    lines = []
    for name, r in results.items():
        line = [f"`{name}`"]
        for base in bases:
            for key in ("seconds", "cache_bytes", "peak_bytes"):
                line.append(amount(results[base][key] / r[key]))
        if parts:
            plain = results.get(without_parts(name))
            line.append(amount(plain["ms_step"] / r["ms_step"] if plain else None))
        if paper:
            figures = paper.get(name, {})
            line += [amount(figures.get(key)) for key in ("speedup", "reduction")]
        lines.append(line)
    return table(head, lines) if bases or parts else ""


def without_parts(name: str) -> str | None:
    """Name the contender without the parts for GPUs; None for one that has none."""
    engine, _, variant = name.partition(":")
    return f"plain:{variant}" if engine.startswith(("ours", "plain+")) else None


BASES = ("espnet", "espnet+cache", "tiled:mha", "authors:mtla2")
"""Contenders that the others are compared with."""


def scaling_table(data: dict) -> str:
    """Table of a step's time at each length, and whose step is fastest."""
    axis = data["axis"]
    case = dict(data["cases"][0]["case"])
    other = "tokens" if axis == "prompt" else "prompt"
    names = [r["name"] for r in data["cases"][0]["results"]]
    rows = []
    for measured in data["cases"]:
        results = measured["results"]
        best = min(results, key=lambda r: r["ms_step"])
        rows.append(
            [
                str(measured["case"][axis]),
                *(amount(r["ms_step"]) for r in results),
                *(amount(r["cache_bytes"] / 1e6) for r in results),
                f"`{best['name']}`",
            ]
        )
    head = [{"prompt": "prompt frames", "tokens": "text tokens"}[axis]]
    head += [f"`{name}` ms/step" for name in names]
    head += [f"`{name}` MB" for name in names]
    return (
        f"{case['utterances']} utterance{'s' * (case['utterances'] != 1)}, "
        f"beam {case['beam']}, {case[other]} "
        f"{'text tokens' if other == 'tokens' else 'prompt frames'}, CTC weight "
        f"{case['ctc_weight']:g}, {setting(case)}; {where(data)}.\n\n"
        + table([*head, "fastest step"], rows)
    )


def train_table(data: dict) -> str:
    """Table of training steps, each with its ratio to the authors' module."""
    rows = []
    for measured in data["cases"]:
        results = measured["results"]
        base = next((r for r in results if r["name"].startswith("authors")), None)
        for r in results:
            row = [f"`{r['name']}`", str(measured["case"]["prompt"])]
            row += [amount(r["seconds"]), amount(r["flops"] / 1e9)]
            row.append(amount(r["peak_bytes"] / 1e6))
            for key in ("seconds", "peak_bytes"):
                row.append(amount(base[key] / r[key] if base else None))
            rows.append([*row, str(len(r["runs"]))])
    case = data["cases"][0]["case"]
    what = f"one attention of {case['size']}" if data["attention"] else setting(case)
    if data.get("encoder"):
        what += f" behind an encoder of {data['encoder']}"
    head = ["", "prompt frames", "s/step", "GFLOP", "peak MB"]
    head += ["x faster", "x smaller", "runs"]
    return (
        f"{case['utterances']} utterances, {case['tokens']} tokens, {what}; "
        f"ratios to the authors' module; {where(data)}.\n\n" + table(head, rows)
    )


def ctc_table(data: dict) -> str:
    """Table of CTC prefix scores, a row a case."""
    names = list(data["cases"][0]["case"])
    rows = [
        [
            *(str(c["case"][name]) for name in names),
            *(amount(1e3 * t / c["case"]["tokens"]) for t in c["median"].values()),
            amount(c["speed_up"]),
            f"{c['difference']:.0e}",
        ]
        for c in data["cases"]
    ]
    head = [*names, *(f"{n} ms/token" for n in data["cases"][0]["median"])]
    return where(data) + ".\n\n" + table([*head, "x faster", "difference"], rows)


def labels_and_figures(data: dict) -> list[tuple[str, list[str], list[float]]]:
    """What bars show: a unit, names and values for each panel."""
    if data["bench"] == "ctc":
        names = ["x".join(map(str, c["case"].values())) for c in data["cases"]]
        return [("x faster", names, [c["speed_up"] for c in data["cases"]])]
    names = [r["name"] for r in data["results"]]
    return [
        ("s", names, [r["seconds"] for r in data["results"]]),
        ("cache MB", names, [r["cache_bytes"] / 1e6 for r in data["results"]]),
    ]


def throughput_table(data: dict) -> str:
    """Table of decoding a set with a whole recogniser."""
    from bench.throughput import CONTENDERS

    case = data["case"]
    base = {r["name"]: r["seconds"] for r in data["results"]}
    by = "espnet" if "espnet" in base else data["results"][0]["name"]
    rows = [
        [
            CONTENDERS[r["name"]],
            amount(r["seconds"]),
            amount(case["seconds"] / r["seconds"]),
            amount(base[by] / r["seconds"]),
            f"{r['same_texts']} of {case['utterances']}",
        ]
        for r in data["results"]
    ]
    busy = (
        "" if data["busy"] is None else f", {percent(data['busy'])} of the slots busy"
    )
    return (
        f"{case['utterances']} utterances, {amount(case['seconds'])} s of noise, Conformer "
        f"of {case['layers']} layers of {case['size']}, beam 10, CTC 0.3 with its window, "
        f"5000 units{busy}; {where(data)}.\n\n"
        + table(
            ["", "s", "RTFx", f"x faster than {CONTENDERS[by]}", "same texts"], rows
        )
    )


TABLES: dict[str, Callable[[dict], str]] = {
    "attention": attention_table,
    "ctc": ctc_table,
    "throughput": throughput_table,
    "curves": curves_table,
    "decode": decode_table,
    "decode brief": brief_table,
    "profile": profile_table,
    "scaling": scaling_table,
    "smoke": smoke_table,
    "train": train_table,
}
"""How the figures of each benchmark, by its name in the JSON, are laid out."""


def laid_out(data: dict, form: str = "") -> str:
    """Return a benchmark's table, and but for a brief one the command that made it."""
    text = TABLES[f"{data['bench']} {form}".rstrip()](data) + missing(data)
    return text if form else f"{text}\n\n```sh\n{data['command']}\n```"


def finish(data: dict, output: Path | None, argv: Sequence[str] | None) -> None:
    """Write a benchmark's JSON if asked to, and print its table.

    Args:
        data: its figures.
        output: where to write them.
        argv: its options; those of this process when None.
    """
    options = sys.argv[1:] if argv is None else argv
    data["command"] = shlex.join(["python", "-m", f"bench.{data['bench']}", *options])
    if output:
        machine.write(output, data)
    print(laid_out(data))
