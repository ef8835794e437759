"""Sentences about a corpus."""

from collections import Counter

from espnet_mtla.corpora.report import beside_published, dropped


def test_dropped():
    assert dropped(Counter()) == ""
    reasons = Counter({"without text": 2, "too long": 1})
    assert dropped(reasons) == "; dropped 3: 1 too long, 2 without text"


def test_counts_beside_published_ones(caplog):
    assert beside_published("test: recordings", 5, None) == "test: recordings: 5"
    assert beside_published("test: recordings", 5, 5) == (
        "test: recordings: 5 (published: 5)"
    )
    assert not caplog.records
    beside_published("test: recordings", 4, 5)
    assert "test: recordings: 4, but 5 were published" in caplog.text
