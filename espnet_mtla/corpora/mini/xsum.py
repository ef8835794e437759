"""XSum's layout: articles with one-sentence summaries as jsonl, no audio.

An article opens with a sentence that says nothing, then tells of two events, of
which one is announced as the main one. The summary is about that, in words of
its own, with particulars from two sentences: no sentence copied is the summary.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

from espnet_mtla.corpora.mini.build import Layout, Recipe
from espnet_mtla.corpora.mini.grammar import Grammar, draw_distinct
from espnet_mtla.files import atomic_open

SPLITS = ("train", "validation", "test")


class Article(NamedTuple):
    """An article, a line an event, and its summary."""

    document: str
    summary: str


Plan = dict[str, list[Article]]


class News:
    """Draws articles from ``news.yaml`` with the lists of ``grammar.yaml``."""

    def __init__(self) -> None:
        path = files(__package__) / "news.yaml"
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.openings, self.cues = tree["openings"], tree["cues"]
        self.events = list(tree["events"].values())
        self.grammar = Grammar.load()

    def draw(self, rng: np.random.Generator) -> Article:
        """Draw one article: two different events."""
        chosen = rng.permutation(len(self.events))[:2]
        main = rng.integers(len(chosen))
        lines, summary = self._tell(rng, _one(self.openings, rng)), ""
        for position, which in enumerate(chosen):
            event = self.events[which]
            parts = [_one(event["report"], rng), _one(event["detail"], rng)]
            told = self._tell(rng, *parts, event["summary"])
            if position == main:
                *told, summary = _one(self.cues, rng), *told
            elif rng.integers(2):
                told = told[:2]
            else:
                told = told[:1]
            lines.append(" ".join(told))
        return Article("\n".join(lines), summary)

    def _tell(self, rng: np.random.Generator, *templates: str) -> list[str]:
        """Fill templates with the same values; they become sentences."""
        fills = self.grammar.draw_fills("\n".join(templates), rng)
        texts = [self.grammar.fill_english(text, fills)[0] for text in templates]
        return [text[0].upper() + text[1:] for text in texts]


def plan(recipe: Recipe) -> Plan:
    """The articles of each split; no two share their summary."""
    news, rng = News(), np.random.default_rng([recipe.seed])
    sizes = (recipe.num_train, recipe.num_dev, recipe.num_test)
    articles = list(
        draw_distinct(lambda: news.draw(rng), lambda a: [a.summary], sum(sizes))
    )
    # Kinds with few summaries run dry early; shuffle so that all splits get some.
    order = iter(rng.permutation(len(articles)))
    return {
        split: [articles[next(order)] for _ in range(size)]
        for split, size in zip(SPLITS, sizes)
    }


def write(out: Path, articles: Plan, nj: int) -> list[str]:
    """Write ``data/<split>.jsonl``; return one line a split."""
    lines, number = [], 10_000_000
    for split, group in articles.items():
        words = 0
        with atomic_open(out / "data" / f"{split}.jsonl") as file:
            for article in group:
                number += 1
                words += len(article.document.split())
                row = {**article._asdict(), "id": str(number)}
                file.write(json.dumps(row) + "\n")
        lines.append(
            f"{split}: {len(group)} articles of {words / len(group):.0f} words"
        )
    return lines


def _one(choices: list[str], rng: np.random.Generator) -> str:
    return choices[rng.integers(len(choices))]


LAYOUT = Layout("xsum", ("data",), plan, write)
