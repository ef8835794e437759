"""Text of a language model: what is written, counted, and refused."""

import gzip
import random

import pytest
import sentencepiece

from espnet_mtla.corpora.lm_text import write_lm_text
from espnet_mtla.errors import InputError
from espnet_mtla.units import train_units


@pytest.fixture
def units(tmp_path):
    words = [
        "".join(random.choices("abcdef", k=random.randint(1, 6))) for _ in "x" * 30
    ]
    sentences = [" ".join(random.choices(words, k=random.randint(1, 9))) for _ in words]
    text = tmp_path / "text"
    text.write_text("".join(f"u{i} {s}\n" for i, s in enumerate(sentences)))
    train_units([text], 20, "unigram", tmp_path)
    return tmp_path, sentences


def collect(folder, texts=(), lines=()):
    out = folder / "out"
    said = write_lm_text(texts, lines, folder / "bpe.model", folder / "tokens.txt", out)
    found = [
        [line.split(" ", 1) for line in (out / name).read_text("utf-8").splitlines()]
        for name in ("text", "text_shape.bpe")
    ]
    assert [key for key, _ in found[0]] == [key for key, _ in found[1]]
    return said, dict(found[0]), dict(found[1])


@pytest.mark.parametrize("gz", [False, True])
def test_transcripts_then_sentences_with_their_lengths(units, gz):
    folder, sentences = units
    more = folder / ("more.txt" + ".gz" * gz)
    content = f"  {sentences[1]}  \r\n\n{sentences[0]} \t {sentences[2]}\n   \nfé"
    more.write_bytes(gzip.compress(content.encode()) if gz else content.encode())
    (folder / "text").write_text(f"b {sentences[3]}\nnothing\na {sentences[4]}\n")
    said, text, shape = collect(folder, [folder / "text"], [more])
    assert list(text.values()) == [
        *(sentences[3], sentences[4], sentences[1]),
        *(f"{sentences[0]} {sentences[2]}", "fé"),
    ]
    assert list(text)[:2] == ["b", "a"]
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "bpe.model"))
    for key, sentence in text.items():
        assert shape[key] == f"{len(model.encode(sentence))},20"
    total = sum(int(s.partition(",")[0]) for s in shape.values())
    assert said == f"{folder}/out: 5 sentences, {total} units"


def test_what_cannot_be_read_is_named(units):
    folder, sentences = units
    for name, content, words in (
        ("none.txt", b"\n \n", "none.txt: no sentence"),
        ("latin.txt", "fé".encode("latin-1"), "latin.txt is not UTF-8"),
        ("plain.gz", sentences[0].encode(), "plain.gz is no whole gzip file"),
        (
            "cut.gz",
            gzip.compress(random.randbytes(99).hex().encode())[:-12],
            "cut.gz is no whole gzip file",
        ),
    ):
        (folder / name).write_bytes(content)
        with pytest.raises(InputError, match=words):
            collect(folder, lines=[folder / name])
    with pytest.raises(InputError, match="gone.txt is missing"):
        collect(folder, lines=[folder / "gone.txt"])
    assert not list((folder / "out").iterdir())
