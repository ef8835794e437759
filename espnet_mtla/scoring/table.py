"""The comparison table: our variants, and the paper's figures beside them."""

from importlib import resources

import yaml

from espnet_mtla.scoring.trained import MEASURES, Trained

MIB = 2**20


def paper_figures(corpus: str, task: str) -> dict | None:
    """Return the paper's table: ``set``, ``title``, ``rows``; None if it has none."""
    text = resources.files(__package__).joinpath("paper.yaml").read_text("utf-8")
    return yaml.safe_load(text).get(f"{corpus}/{task}")


def comparison(rows: list[Trained], task: str, paper: dict | None) -> list[dict]:
    """Compare variants with MHA of the same setting.

    A speed-up or reduction is left out (None) where not exactly one MHA was
    trained and decoded in the same way.

    Args:
        rows: of one test set and setting.
        task: of :data:`espnet_mtla.scoring.trained.MEASURES`.
        paper: what :func:`paper_figures` returned.

    Returns:
        One dict a row, its keys the field names of ``RESULTS.json``.
    """
    key = MEASURES[task].key
    table = []
    for row in rows:
        base = [r for r in rows if r.label == "mha" and r.training == row.training]
        mha, cost = base[0].cost if len(base) == 1 else None, row.cost
        ours = {
            "decoder": row.label,
            "experiment": row.tag,
            "decoding": row.decoding,
            "parameters": cost["parameters"],
            key: row.score[key],
            "seconds": cost["seconds"],
            "speedup": mha and round(mha["seconds"] / cost["seconds"], 2),
            "average_memory": cost["average_memory"],
            "peak_memory": cost["peak_memory"],
            "memory_is": cost["memory_is"],
            "reduction": mha
            and round(mha["average_memory"] / cost["average_memory"], 2),
            "cache_elements": cost["cache_elements"],
            "cache_bytes": cost["cache_bytes"],
        }
        if "signature" in row.score:
            ours["signature"] = row.score["signature"]
        if paper:
            theirs = paper["rows"].get(row.label, {})
            for name in (key, "speedup", "reduction"):
                ours[f"paper_{name}"] = theirs.get(name)
        table.append(ours)
    return table


def markdown(table: list[dict], task: str) -> str:
    """Lay a comparison out as a Markdown table."""
    _, key, name = MEASURES[task]
    columns = [  # head, field, its unit, digits
        ("params M", "parameters", 1e6, 2),
        (name, key, 1, 2),
        ("time s", "seconds", 1, 1),
        ("speed-up", "speedup", 1, 2),
        ("memory MiB", "average_memory", MIB, 0),
        ("peak MiB", "peak_memory", MIB, 0),
        ("reduction", "reduction", 1, 2),
        ("cache/token", "cache_elements", 1, 0),
        ("cache MiB", "cache_bytes", MIB, 2),
        (f"paper: {name}", f"paper_{key}", 1, 2),
        ("paper: speed-up", "paper_speedup", 1, 2),
        ("paper: reduction", "paper_reduction", 1, 2),
    ]
    columns = [c for c in columns if c[1] in table[0]]
    head = ["decoder"] + [c[0] for c in columns]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    labels = [r["decoder"] for r in table]
    for r in table:
        cells = [r["decoder"]]
        if labels.count(r["decoder"]) > 1:  # told apart by how it was trained
            cells[0] += f" ({r['experiment']})"
        cells += [_number(r[field], unit, digits) for _, field, unit, digits in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(value: float | None, unit: float, digits: int) -> str:
    return "-" if value is None else f"{value / unit:.{digits}f}"
