"""Compares all trained variants of a recipe and prints the table (stage 13).

Writes ``RESULTS.md`` in ESPnet's form (environment, then tables) and the same
as JSON beside it.
"""

import argparse
import datetime
import json
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from espnet_mtla.bin import run
from espnet_mtla.corpora.datadir import atomic_open
from espnet_mtla.scoring.table import comparison, markdown, paper_figures
from espnet_mtla.scoring.trained import MEASURES, find_trained


def environment() -> dict[str, str]:
    """Describe the software, as ESPnet's ``show_asr_result.sh`` does."""
    packages = ("espnet", "torch", "sacrebleu", "rapidfuzz", "espnet_mtla")
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "python version": platform.python_version(),
        **{f"{name} version": version(name) for name in packages},
        "git hash": _git("rev-parse", "--short", "HEAD"),
        "commit date": _git("show", "-s", "--format=%cd", "HEAD"),
    }


def _git(*args: str) -> str:
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "-C", str(here), *args], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "not a git checkout"


def report(expdir: Path, task: str, corpus: str) -> tuple[str, dict]:
    """Return the Markdown report of an experiment directory, and its data."""
    rows = find_trained(expdir, task)
    env = environment()
    lines = ["# RESULTS", "## Environments"]
    lines += [f"- {name}: `{value}`" for name, value in env.items()]
    paper = paper_figures(corpus, task)
    first = paper and paper["set"]
    data: dict = {"environment": env, "tables": []}
    settings: dict[tuple, list] = {}
    for row in rows:
        settings.setdefault(row.setting, []).append(row)
    for setting in sorted(settings, key=lambda s: (s[0] != first, str(s))):
        mine = settings[setting]
        cost, test_set = mine[0].cost, mine[0].test_set
        theirs = paper if test_set == first else None
        table = comparison(mine, task, theirs)
        decoded = (
            f"{cost['audio_seconds']:.0f} s of speech"
            if "audio_seconds" in cost
            else f"{cost['source_units']:.0f} units of text"
        )
        described = (
            f"{mine[0].decoding}: {decoded}, beam "
            f"{cost['beam_size']}, at most {cost['batch_size']} utterances and "
            f"{cost['batch_frames']} frames a batch, {cost['device']}, "
            f"{cost['threads']} threads, {cost['dtype']}; memory is "
            f"{cost['memory_is']}, its average is compared"
        )
        if signature := mine[0].score.get("signature"):
            described += f"; {signature}"
        title = f"## {test_set}: {cost['utterances']} utterances"
        lines += ["", title, "", described, "", markdown(table, task)]
        data["tables"].append({"test_set": test_set, "rows": table})
    if paper:
        title = f"Paper's columns: {paper['title']}, on its own corpus and engine."
        lines += ["", title]
    return "\n".join(lines) + "\n", data


def main(argv: Sequence[str] | None = None) -> None:
    """Print and write the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expdir", required=True, type=Path)
    parser.add_argument("--task", required=True, choices=sorted(MEASURES))
    parser.add_argument(
        "--corpus", default="", help="whose figures of the paper stand beside ours"
    )
    parser.add_argument("--out", required=True, type=Path, help="RESULTS.md to write")
    args = parser.parse_args(argv)
    text, data = report(args.expdir, args.task, args.corpus)
    with atomic_open(args.out) as f:
        f.write(text)
    with atomic_open(args.out.with_suffix(".json")) as f:
        json.dump(data, f, indent=2, ensure_ascii=False)
        f.write("\n")
    print(text)


if __name__ == "__main__":
    run(main)
