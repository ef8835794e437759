"""The report of a comparison: tables with what they are of, as Markdown and data."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open, read_lines
from espnet_mtla.scoring import wer
from espnet_mtla.scoring.table import comparison, markdown, paper_figures
from espnet_mtla.scoring.trained import FAST, SETTING, Trained
from espnet_mtla.stock import STOCK

MARKERS = ("<!-- results -->", "<!-- /results -->")

_RELATED = (
    "Speed-up and reduction relate a row to the one MHA of the same training and "
    "context; a dash says that there is none, or more than one."
)
_STOCK = (
    "transformer is ESPnet's own decoder: it attends to the encoder's output besides, as "
    "ours with context=cross do, with more weights for it, and is related to the MHA whose "
    "context is the usual one (prompt)."
)
_SEARCHED = (
    "Rows of ESPnet's search are decoded by ESPnet's own beam search and scorers, an "
    "utterance at a time, the same models' other rows by this package's, in batches."
)
_TESTED = (
    "p: of a BLEU that differs from that MHA's, by sacrebleu's paired bootstrap "
    "(1000 resamples)."
)

_SEEDS = (
    "Where a row has several seeds, scores are their mean ± sample standard deviation, "
    "time and memory those of the first; p (seeds): how likely so large a difference of "
    "the first score to that MHA's is where both have the same mean (Welch's t-test); "
    "with few seeds a large p shows nothing."
)


def report(rows: Sequence[Trained], environment: Mapping[str, str]) -> tuple[str, dict]:
    """Lay out all tables of what was trained.

    Args:
        rows: what :func:`espnet_mtla.scoring.trained.find_trained` returned.
        environment: the software, name by name.

    Returns:
        Markdown in ESPnet's form (environment, then results; headings of the
        second level), and the same as data: ``environment`` and ``tables``.
    """
    lines = ["## Environments"]
    lines += [f"- {name}: `{value}`" for name, value in environment.items()]
    data: dict = {"environment": dict(environment), "tables": []}
    settings: dict[tuple, list[Trained]] = {}
    for row in rows:
        settings.setdefault(row.setting, []).append(row)
    papers = {(r.corpus, r.task): paper_figures(r.corpus, r.task) for r in rows}

    def order(setting: tuple) -> tuple:
        corpus, task, test_set, *_ = setting
        paper = papers[corpus, task]
        return (corpus, task, not paper or test_set != paper["set"], str(setting))

    for setting in sorted(settings, key=order):
        mine = settings[setting]
        corpus, task, test_set, *_ = setting
        paper = papers[corpus, task]
        entities = "slu_f1" in mine[0].score  # the paper's targets have none
        if paper and (test_set != paper["set"] or entities):
            paper = None
        table = comparison(mine, paper)
        name = f"{corpus}/{task}" if corpus else task
        head = f"## {name}: {test_set}, {mine[0].cost['utterances']} utterances"
        lines += ["", head + ", with entities" * entities]
        lines += ["", _conditions(mine[0]), "", markdown(table, task)]
        shown = [v for row in table for k, v in row.items() if k.startswith("paper_")]
        if paper and any(value is not None for value in shown):
            lines += ["", f"Paper's columns: {paper['title']}, on its own corpus,"]
            lines += ["engine and GPU; figures of the paper, not of ours."]
        described = {"corpus": corpus, "task": task, "test_set": test_set}
        described |= {"decoding": mine[0].decoding}
        described |= {k: mine[0].cost.get(k) for k in (*SETTING, "memory_is")}
        data["tables"].append(described | {"rows": table})
    tested = any(row.get("bleu_p") for t in data["tables"] for row in t["rows"])
    seeded = any(len(row["seeds"]) > 1 for t in data["tables"] for row in t["rows"])
    notes = [
        _RELATED,
        _STOCK if any(row.decoder in STOCK for row in rows) else "",
        _SEARCHED if any(row.search != FAST for row in rows) else "",
        _TESTED if tested else "",
        _SEEDS if seeded else "",
    ]
    lines += ["", " ".join(filter(None, notes))]
    return "\n".join(lines + _error_counts(rows)) + "\n", data


def _conditions(row: Trained) -> str:
    cost = row.cost
    if "audio_seconds" in cost:
        amount, unit = f"{cost['audio_seconds']:.0f} s of speech", "frames"
    else:
        amount, unit = f"{cost['source_units']:.0f} units of text", "units"
    limits = [(cost["batch_size"], "utterances"), (cost["batch_frames"], unit)]
    bounds = " and ".join(f"{most} {what}" for most, what in limits if most)
    described = (
        f"{row.decoding}: {amount}, beam {cost['beam_size']}, "
        f"{f'at most {bounds} a batch' if bounds else 'one batch'}, "
        f"{cost['device']}, {cost['threads']} threads, {cost['dtype']}, PyTorch "
        f"{cost.get('torch', 'not known')}; memory is "
        f"{cost['memory_is']}, its average is compared"
    )
    signature = row.score.get("signature")
    return f"{described}; {signature}" if signature else described


def _error_counts(rows: Sequence[Trained]) -> list[str]:
    """Lay out WER, CER and TER of recognition as ESPnet's READMEs do."""
    lines = []
    for measure in ("wer", "cer", "ter"):
        counts = {
            f"{row.tag}/{row.scored.parent.parent.name}/{row.test_set}": wer.Counts(
                **found
            )
            for row in rows
            if (found := row.score.get(f"{measure}_counts"))
        }
        if counts:
            lines += ["", f"## {measure.upper()}", "", *wer.table(counts)]
    return lines


def fill(readme: Path, text: str) -> None:
    """Put a report between a README's two :data:`MARKERS`, a heading level lower.

    Raises:
        InputError: there is no such file, or not each marker once on a line of
            its own, in their order.
    """
    lines = read_lines(readme)
    where = [i for i, line in enumerate(lines) if line in MARKERS]
    if [lines[i] for i in where] != list(MARKERS):
        raise InputError(
            f"{readme}: give it one line {MARKERS[0]} and below it one line "
            f"{MARKERS[1]}, between which the results go"
        )
    first, last = where
    body = ["#" + t if t.startswith("#") else t for t in text.splitlines()]
    with atomic_open(readme) as f:
        new = [*lines[: first + 1], "", *body, "", *lines[last:]]
        f.writelines(line + "\n" for line in new)
