"""The comparison table: our variants, and the paper's figures beside them."""

from collections.abc import Sequence
from importlib import resources

import yaml

from espnet_mtla.scoring.trained import MEASURES, Trained
from espnet_mtla.scoring.translation import bleu_p_values

MIB = 2**20


def paper_figures(corpus: str, task: str) -> dict | None:
    """Return the paper's table: ``set``, ``title``, ``rows``; None if it has none."""
    text = resources.files(__package__).joinpath("paper.yaml").read_text("utf-8")
    return yaml.safe_load(text).get(f"{corpus}/{task}")


def comparison(rows: Sequence[Trained], paper: dict | None) -> list[dict]:
    """Compare variants with MHA of the same setting.

    A speed-up, a reduction or a p-value is left out (None) where not exactly one
    MHA was trained in the same way, with the same context, and decoded here.

    Args:
        rows: of one setting.
        paper: what :func:`paper_figures` returned, of the same test set.

    Returns:
        One dict a row, its keys the field names of ``RESULTS.json``.
    """
    scores = MEASURES[rows[0].task].scores
    bases = [_base(row, rows) for row in rows]
    p_values = _p_values(rows, bases)
    table = []
    for row, base, p_value in zip(rows, bases, p_values):
        mha, cost = base and base.cost, row.cost
        ours = {
            "decoder": row.label,
            "experiment": row.tag,
            **{name: row.score.get(name) for name in scores},
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
        if row.task == "st":
            ours["bleu_p"] = p_value
        for name in ("intervals", "signature"):
            if name in row.score:
                ours[name] = row.score[name]
        if paper:
            theirs = paper["rows"].get(row.label, {})
            for name in (*scores, "seconds", "speedup", "memory", "reduction"):
                ours[f"paper_{name}"] = theirs.get(name)
        table.append(ours)
    return table


def _base(row: Trained, rows: Sequence[Trained]) -> Trained | None:
    alike = [r for r in rows if r.decoder == "mha" and r.training == row.training]
    return alike[0] if len(alike) == 1 else None


def _p_values(rows: Sequence[Trained], bases: list) -> list[float | None]:
    """Of BLEU; None for what has no other row as its base, or another score."""
    values: list[float | None] = [None] * len(rows)
    for base in rows:
        others = [i for i, b in enumerate(bases) if b is base and rows[i] is not base]
        if base.task == "st" and others:
            systems = [rows[i].texts("hyp") for i in others]
            language = base.score.get("language", "")
            texts = base.texts("ref"), base.texts("hyp")
            found = bleu_p_values(*texts, systems, language)
            for i, value in zip(others, found):
                values[i] = value
    return values


def markdown(table: list[dict], task: str) -> str:
    """Lay a comparison out as a Markdown table; what no row has has no column."""
    scores = [(name, field, 1, 2) for field, name in MEASURES[task].scores.items()]
    if task == "st":
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
    head = ["decoder"] + [c[0] for c in columns]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    labels = [r["decoder"] for r in table]
    for r in table:
        cells = [r["decoder"]]
        if labels.count(r["decoder"]) > 1:  # told apart by how it was trained
            cells[0] += f" ({r['experiment']})"
        cells += [_number(r.get(f), unit, digits) for _, f, unit, digits in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(value: float | None, unit: float, digits: int) -> str:
    return "-" if value is None else f"{value / unit:.{digits}f}"
