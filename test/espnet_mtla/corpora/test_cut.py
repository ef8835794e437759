"""Text directories cut to a number of units, with the lengths ESPnet counts."""

import random

import pytest
import sentencepiece

from espnet_mtla.bin import cut_text
from espnet_mtla.corpora.cut import cut_articles
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table, write_table
from espnet_mtla.units import train_units

WORDS = [a + b + c for a in "bdfg" for b in "aeiou" for c in "lmnr"]


@pytest.fixture
def data(tmp_path):
    """Articles of 1 to 60 words, their summaries, and units."""
    for name, most in (("src_text", 60), ("text", 6)):
        rows = {
            f"a{i:02d}": " ".join(random.choices(WORDS, k=random.randint(1, most)))
            for i in range(40)
        }
        write_table(tmp_path / "data" / name, rows)
    train_units([tmp_path / "data/src_text"], 60, "bpe", tmp_path)
    return tmp_path / "data"


def test_lines_lengths_and_report(data, tmp_path, capsys, monkeypatch):
    out = tmp_path / "raw"
    options = ["--data", data, "--bpemodel", tmp_path / "bpe.model", "--out", out]
    monkeypatch.setattr(
        "sys.argv", ["cut_text", *map(str, options), "--max_units", "30"]
    )
    cut_text.main()
    whole, kept = read_table(data / "src_text"), read_table(out / "src_text")
    cut = sum(whole[key] != kept[key] for key in whole)
    assert capsys.readouterr().out == f"{out}: {cut} of 40 articles cut to 30 units\n"
    assert 0 < cut < 40 and all(whole[k].startswith(kept[k]) for k in whole)
    assert (out / "text").read_bytes() == (data / "text").read_bytes()
    units = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "bpe.model"))
    for name in ("src_text", "text"):
        lengths = {k: int(v) for k, v in read_table(out / f"{name}_shape").items()}
        texts = read_table(out / name)
        assert lengths == {key: len(units.encode(text)) for key, text in texts.items()}
    assert max(int(v) for v in read_table(out / "src_text_shape").values()) <= 30


def test_what_does_not_fit_together_is_named(data, tmp_path):
    rows = read_table(data / "text")
    del rows["a07"]
    write_table(data / "text", rows)
    model = tmp_path / "bpe.model"
    with pytest.raises(InputError, match="data: a07 has no article or no summary"):
        cut_articles(data, tmp_path / "raw", model, 30)
    with pytest.raises(InputError, match="is --data itself"):
        cut_articles(data, data, model, 30)
    (data / "src_text").unlink()
    with pytest.raises(InputError, match="src_text is missing"):
        cut_articles(data, tmp_path / "raw", model, 30)
    assert not (tmp_path / "raw").exists()
