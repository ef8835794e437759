"""The comparison table: our variants, and the paper's figures beside them."""

from importlib import resources

import yaml

from espnet_mtla.scoring.trained import Trained

MIB = 2**20
HEAD = (
    "decoder",
    "params M",
    "BLEU",
    "time s",
    "speed-up",
    "memory MiB",
    "peak MiB",
    "reduction",
    "cache/token",
    "cache MiB",
    "paper: BLEU",
    "paper: speed-up",
    "paper: reduction",
)


def paper_figures(task: str) -> dict:
    """Return the paper's table of a task: ``set``, ``title`` and ``rows``."""
    text = resources.files(__package__).joinpath("paper.yaml").read_text("utf-8")
    return yaml.safe_load(text)[task]


def comparison(rows: list[Trained], task: str) -> list[dict]:
    """Compare variants with MHA of the same setting.

    A speed-up or reduction is left out (None) where not exactly one MHA was
    trained and decoded in the same way.

    Args:
        rows: of one test set and setting.
        task: whose figures of the paper stand beside ours.

    Returns:
        One dict a row, its keys the field names of ``comparison.json``.
    """
    paper = paper_figures(task)["rows"]
    table = []
    for row in rows:
        base = [r for r in rows if r.label == "mha" and r.training == row.training]
        mha, cost = base[0].cost if len(base) == 1 else None, row.cost
        theirs = paper.get(row.label, {})
        table.append(
            {
                "decoder": row.label,
                "experiment": row.tag,
                "decoding": row.decoding,
                "parameters": cost["parameters"],
                "bleu": row.score["bleu"],
                "signature": row.score["signature"],
                "seconds": cost["seconds"],
                "speedup": mha and round(mha["seconds"] / cost["seconds"], 2),
                "average_memory": cost["average_memory"],
                "peak_memory": cost["peak_memory"],
                "memory_is": cost["memory_is"],
                "reduction": mha
                and round(mha["average_memory"] / cost["average_memory"], 2),
                "cache_elements": cost["cache_elements"],
                "cache_bytes": cost["cache_bytes"],
                "paper_bleu": theirs.get("bleu"),
                "paper_speedup": theirs.get("speedup"),
                "paper_reduction": theirs.get("reduction"),
            }
        )
    return table


def markdown(table: list[dict]) -> str:
    """Lay a comparison out as a Markdown table."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    labels = [r["decoder"] for r in table]
    for r in table:
        name = r["decoder"]
        if labels.count(name) > 1:  # told apart by how it was trained
            name += f" ({r['experiment']})"
        cells = (
            name,
            _number(r["parameters"], 1e6, 2),
            _number(r["bleu"], 1, 2),
            _number(r["seconds"], 1, 1),
            _number(r["speedup"], 1, 2),
            _number(r["average_memory"], MIB, 0),
            _number(r["peak_memory"], MIB, 0),
            _number(r["reduction"], 1, 2),
            _number(r["cache_elements"], 1, 0),
            _number(r["cache_bytes"], MIB, 2),
            _number(r["paper_bleu"], 1, 2),
            _number(r["paper_speedup"], 1, 2),
            _number(r["paper_reduction"], 1, 2),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(value: float | None, unit: float, digits: int) -> str:
    return "-" if value is None else f"{value / unit:.{digits}f}"
