"""The comparison table: our variants, and the paper's figures beside them."""

from collections.abc import Iterable, Sequence
from importlib import resources
from statistics import fmean

import yaml

from espnet_mtla.scoring import seeds
from espnet_mtla.scoring.trained import FAST, Trained
from espnet_mtla.scoring.translation import bleu_p_values
from espnet_mtla.task import TASKS

MIB = 2**20


def paper_figures(corpus: str, task: str) -> dict | None:
    """Return the paper's table: ``set``, ``title``, ``rows``; None if it has none."""
    text = resources.files(__package__).joinpath("paper.yaml").read_text("utf-8")
    return yaml.safe_load(text).get(f"{corpus}/{task}")


def comparison(rows: Sequence[Trained], paper: dict | None) -> list[dict]:
    """Compare variants with MHA of the same setting.

    Models that differ in their seed alone are one row: mean and spread of their
    scores, time and memory of the first. A speed-up, a reduction or a p-value is left
    out (None) where not exactly one MHA was trained in the same way, with the same
    context, and decoded here by the fast search.

    Args:
        rows: of one setting.
        paper: what :func:`paper_figures` returned, of the same test set.

    Returns:
        One dict a row, its keys the field names of ``RESULTS.json``.
    """
    names = TASKS[rows[0].task].scores
    groups = seeds.grouped(rows)
    bases = [_base(group, groups) for group in groups]
    p_values = _p_values(groups, bases)
    table = []
    for group, base, p_value in zip(groups, bases, p_values):
        row, mha = group[0], base and base[0].cost
        cost = row.cost
        ours = {
            "decoder": row.label,
            "experiment": row.tag,
            "seeds": [row.seed for row in group],
            **_scores(group, names),
            "seconds": cost["seconds"],
            "speedup": mha and round(mha["seconds"] / cost["seconds"], 2),
            "average_memory": cost["average_memory"],
            "peak_memory": cost["peak_memory"],
            "reduction": mha
            and round(mha["average_memory"] / cost["average_memory"], 2),
            "parameters": cost["parameters"],
            "cache_elements": cost["cache_elements"],
            "source_elements": cost.get("source_elements"),
            "cache_bytes": cost["cache_bytes"],
        }
        if base and base is not group:
            ours["seeds_p"] = _seeds_p(group, base, names)
        if "bleu" in names:
            ours["bleu_p"] = p_value
        for name in ("intervals", "signature"):
            if name in row.score and (name == "signature" or len(group) == 1):
                ours[name] = row.score[name]
        if paper:
            theirs = paper["rows"].get(row.label, {})
            for name in (*names, "seconds", "speedup", "memory", "reduction"):
                ours[f"paper_{name}"] = theirs.get(name)
        table.append(ours)
    return table


def _scores(group: Sequence[Trained], names: Iterable[str]) -> dict:
    """Of one model its scores; of several their means, spreads and values by seed."""
    if len(group) == 1:
        return {name: group[0].score.get(name) for name in names}
    found = {}
    for name in names:
        values = seeds.scores(group, name)
        found[name] = values and fmean(values)
        found[f"{name}_spread"] = values and seeds.spread(values)
        found[f"{name}_by_seed"] = values
    return found


def _seeds_p(
    group: Sequence[Trained], base: Sequence[Trained], names: Iterable[str]
) -> float | None:
    """Whether the task's first score differs from MHA's, by the spread over seeds."""
    name = next(iter(names))
    ours, theirs = seeds.scores(group, name), seeds.scores(base, name)
    return seeds.difference_p(ours, theirs) if ours and theirs else None


def _base(
    group: Sequence[Trained], groups: Sequence[Sequence[Trained]]
) -> Sequence[Trained] | None:
    alike = [
        g
        for g in groups
        if (g[0].decoder, g[0].search) == ("mha", FAST)
        and g[0].training == group[0].training
    ]
    return alike[0] if len(alike) == 1 else None


def _p_values(groups: Sequence[Sequence[Trained]], bases: list) -> list[float | None]:
    """Of BLEU of single models; None for what has no other row as its base."""
    values: list[float | None] = [None] * len(groups)
    for base in groups:
        others = [
            i
            for i, b in enumerate(bases)
            if b is base and groups[i] is not base and len(groups[i]) == len(base) == 1
        ]
        if others and "bleu" in TASKS[base[0].task].scores:
            systems = [groups[i][0].texts("hyp") for i in others]
            language = base[0].score.get("language", "")
            texts = base[0].texts("ref"), base[0].texts("hyp")
            found = bleu_p_values(*texts, systems, language)
            for i, value in zip(others, found):
                values[i] = value
    return values


def markdown(table: list[dict], task: str) -> str:
    """Lay a comparison out as a Markdown table; what no row has has no column."""
    scores = [(name, field, 1, 2) for field, name in TASKS[task].scores.items()]
    scores.insert(1, ("p (seeds)", "seeds_p", 1, 3))
    if "bleu" in TASKS[task].scores:
        scores.insert(1, ("p", "bleu_p", 1, 3))
    columns = [  # head, field, its unit, digits
        *scores,
        ("time s", "seconds", 1, 1),
        ("speed-up", "speedup", 1, 2),
        ("memory MiB", "average_memory", MIB, 0),
        ("peak MiB", "peak_memory", MIB, 0),
        ("reduction", "reduction", 1, 2),
        ("params M", "parameters", 1e6, 2),
        ("cache/token", "cache_elements", 1, 0),
        ("cache/frame", "source_elements", 1, 0),
        ("cache MiB", "cache_bytes", MIB, 2),
        *((f"paper: {name}", f"paper_{field}", 1, 2) for name, field, *_ in scores),
        ("paper: time s", "paper_seconds", 1, 1),
        ("paper: speed-up", "paper_speedup", 1, 2),
        ("paper: memory MiB", "paper_memory", 1, 0),
        ("paper: reduction", "paper_reduction", 1, 2),
    ]
    columns = [c for c in columns if any(r.get(c[1]) is not None for r in table)]
    seeds_differ = len({tuple(r["seeds"]) for r in table}) > 1
    shown = seeds_differ or len(table[0]["seeds"]) > 1
    head = ["decoder"] + ["seeds"] * shown + [c[0] for c in columns]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    labels = [r["decoder"] for r in table]
    for r in table:
        cells = [r["decoder"]]
        if labels.count(r["decoder"]) > 1:  # told apart by how it was trained
            cells[0] += f" ({r['experiment']})"
        cells += [" ".join(map(str, r["seeds"]))] * shown
        cells += [_cell(r, *column[1:]) for column in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: dict, field: str, unit: float, digits: int) -> str:
    value, spread = row.get(field), row.get(f"{field}_spread")
    if value is None:
        return "-"
    text = f"{value / unit:.{digits}f}"
    return text if spread is None else f"{text} ± {spread / unit:.{digits}f}"
