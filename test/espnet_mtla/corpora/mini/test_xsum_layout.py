"""The mini corpus in XSum's layout."""

import json
import re

import numpy as np
import pytest

from espnet_mtla.corpora.mini.build import Recipe, make_mini
from espnet_mtla.corpora.mini.xsum import LAYOUT, SPLITS, News, plan
from espnet_mtla.corpora.xsum import prepare_xsum
from espnet_mtla.files import read_table
from espnet_mtla.scoring.rouge import rouge

SMALL = Recipe(num_train=40, num_dev=4, num_test=6, seed=4)


@pytest.fixture(scope="module")
def articles():
    """The articles of a larger corpus, all splits together, in order."""
    return plan(Recipe(num_train=1000, num_dev=100, num_test=100, seed=9))


def _sentences(document):
    return re.split(r"(?<=\.)\s", document)


def test_layout_determinism_and_the_reader(tmp_path, caplog):
    for name in ("a", "b"):
        make_mini(tmp_path / name, SMALL, LAYOUT, nj=2)
    for split, size in zip(SPLITS, (40, 4, 6)):
        texts = [(tmp_path / n / f"data/{split}.jsonl").read_text() for n in "ab"]
        assert texts[0] == texts[1]
        rows = [json.loads(line) for line in texts[0].splitlines()]
        assert len(rows) == size
        assert all(set(row) == {"document", "summary", "id"} for row in rows)
    report = prepare_xsum(tmp_path / "a", tmp_path / "out")
    assert report.splitlines() == [
        "train: articles: 40",
        "validation: articles: 4",
        "test: articles: 6",
    ]
    assert not caplog.records
    source = read_table(tmp_path / "out/test/src_text")
    assert source.keys() == read_table(tmp_path / "out/test/text").keys()
    assert all(len(text.split()) > 30 for text in source.values())


def test_splits_are_disjoint(articles):
    everything = [article for group in articles.values() for article in group]
    for field in ("summary", "document"):
        assert len({getattr(a, field) for a in everything}) == len(everything) == 1200
    words = [
        {w for a in group for w in re.findall(r"[\w'-]+", " ".join(a).lower())}
        for group in articles.values()
    ]
    assert words[1] | words[2] <= words[0]
    assert 250 <= len(words[0]) <= 350


def test_texts_are_whole(articles):
    for document, summary in (a for group in articles.values() for a in group):
        sentences = [*_sentences(document), summary]
        assert document.count("\n") + 1 == 3  # the opening and two events
        for sentence in sentences:
            assert sentence[0].isupper() and sentence[-1] == "."
            assert not set("{}#\n") & set(sentence) and "  " not in sentence
        assert summary not in document


def test_no_sentence_copied_is_the_summary(articles):
    """Copying the first sentence is hopeless, the best one far from enough."""
    test = articles["test"]
    summaries = [a.summary for a in test]
    first = rouge(summaries, [_sentences(a.document)[0] for a in test])
    assert first["rougeL"] < 20
    best = [
        max(_sentences(a.document), key=lambda s, a=a: _shared(a.summary, s))
        for a in test
    ]
    assert rouge(summaries, best)["rougeL"] < 50


def _shared(summary, sentence):
    return len(set(summary.split()) & set(sentence.split()))


def test_the_announced_event_is_the_one_of_the_summary(articles):
    """Its line holds all particulars of the summary; names and numbers agree."""
    news = News()
    lists = news.grammar.lists.values()
    particulars = {v["en"] for content in lists for v in content["values"]}
    for document, summary in articles["test"]:
        (line,) = [
            line
            for line in document.split("\n")
            if any(line.startswith(cue) for cue in news.cues)
        ]
        named = {
            p for p in particulars if re.search(rf"\b{p}\b", summary, re.IGNORECASE)
        }
        assert len(named) >= 2
        assert all(re.search(rf"\b{p}\b", line, re.IGNORECASE) for p in named)


def test_every_kind_is_drawn(seed):
    news, rng = News(), np.random.default_rng(seed)
    summaries = [news.draw(rng).summary for _ in range(300)]
    for event in news.events:
        form = re.sub(r"\{.*?\}", ".+", event["summary"])
        assert any(re.fullmatch(form, summary) for summary in summaries)
