"""Units, token lists and shapes."""

import random
import re

import numpy as np
import pytest
import sentencepiece

from espnet_mtla.corpora.mini.grammar import Grammar
from espnet_mtla.errors import InputError
from espnet_mtla.units import cut_words, load_units, train_units


@pytest.fixture
def text(tmp_path):
    """A Kaldi text file of 300 German commands."""
    commands = Grammar.load().distinct(300, np.random.default_rng(0))
    path = tmp_path / "text.tc.de"
    path.write_text("".join(f"u{i:03d} {c.german}\n" for i, c in enumerate(commands)))
    return path


@pytest.mark.parametrize("mode", ["unigram", "bpe"])
def test_the_same_text_gives_the_same_files(text, tmp_path, mode):
    for name in ("a", "b"):
        report = train_units([text], 90, mode, tmp_path / name)
        assert report == f"{tmp_path / name}: 90 tokens from 300 sentences"
    for name in ("bpe.model", "bpe.vocab", "tokens.txt"):
        assert (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()


def test_token_list_is_espnet_s(text, tmp_path):
    train_units([text], 90, "unigram", tmp_path)
    tokens = (tmp_path / "tokens.txt").read_text("utf-8").splitlines()
    units = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "bpe.model"))
    assert len(tokens) == len(set(tokens)) == 90
    assert tokens[:2] == ["<blank>", "<unk>"] and tokens[-1] == "<sos/eos>"
    for line in text.read_text().splitlines():
        pieces = units.encode(line.split(maxsplit=1)[1], out_type=str)
        assert set(pieces) <= set(tokens) - {"<blank>", "<unk>", "<sos/eos>"}
    vocabulary = (tmp_path / "bpe.vocab").read_text().splitlines()
    assert [line.split("\t")[0] for line in vocabulary[3:]] == tokens[2:-1]
    for piece, score in (line.split("\t") for line in vocabulary):
        assert units.get_score(units.piece_to_id(piece)) == pytest.approx(
            float(score), rel=1e-5
        )


def test_punctuation_comes_back_as_it_was(tmp_path):
    sentences = ["明天，我会来；你呢？", "他说：“好！”（真的）"]
    text = tmp_path / "text.tc.zh"
    text.write_text(
        "".join(f"u{i} {s}\n" for i, s in enumerate(sentences * 9)), "utf-8"
    )
    for rule, same in (("identity", True), ("nmt_nfkc", False)):
        train_units([text], 25, "unigram", tmp_path / rule, normalization=rule)
        model = str(tmp_path / rule / "bpe.model")
        units = sentencepiece.SentencePieceProcessor(model_file=model)
        back = [units.decode_pieces(units.encode_as_pieces(s)) for s in sentences]
        assert (back == sentences) == same


def test_several_texts_share_their_units(text, tmp_path):
    other = tmp_path / "text.en"
    other.write_text("u qqqq\nv\n")
    report = train_units([text, other], 90, "unigram", tmp_path)
    assert "from 301 sentences" in report  # one of them is empty
    assert "q" in (tmp_path / "tokens.txt").read_text()


def test_long_texts_count_too(text, tmp_path):
    """sentencepiece's own limit is 4192 bytes a text."""
    lines = [line.split(maxsplit=1)[1] for line in text.read_text("utf-8").splitlines()]
    text.write_text(f"short {lines[0]}\nlong {' '.join(lines)} qqqq\n", "utf-8")
    assert text.stat().st_size > 2 * 4192
    train_units([text], 90, "bpe", tmp_path)
    assert "q" in (tmp_path / "tokens.txt").read_text("utf-8")


@pytest.mark.parametrize("mode", ["unigram", "bpe"])
def test_too_many_or_too_few_units_name_what_works(text, tmp_path, mode):
    with pytest.raises(
        InputError, match=r"--nbpe 5000 is too large for .*at most \d+"
    ) as e:
        train_units([text], 5000, mode, tmp_path / "out")
    most = int(re.search(r"at most (\d+)", str(e.value))[1])
    with pytest.raises(
        InputError, match=r"--nbpe 9 is too small for .*at least \d+"
    ) as e:
        train_units([text], 9, mode, tmp_path / "out")
    least = int(re.search(r"at least (\d+)", str(e.value))[1])
    assert not (tmp_path / "out").exists()
    for nbpe in (least, most):
        train_units([text], nbpe, mode, tmp_path / "out")
        assert (
            len((tmp_path / "out/tokens.txt").read_text("utf-8").splitlines()) == nbpe
        )


def test_no_text_is_an_error(tmp_path):
    (tmp_path / "text").write_text("a\nb\n")
    with pytest.raises(InputError, match="text: no text to train units on"):
        train_units([tmp_path / "text"], 10, "unigram", tmp_path / "out")
    with pytest.raises(InputError, match="gone is missing"):
        train_units([tmp_path / "gone"], 10, "unigram", tmp_path / "out")


@pytest.mark.parametrize("mode", ["unigram", "bpe"])
def test_texts_are_cut_at_a_word(text, tmp_path, mode):
    train_units([text], 90, mode, tmp_path)
    units = load_units(tmp_path / "bpe.model")
    lines = [line.split(maxsplit=1)[1] for line in text.read_text().splitlines()]
    for _ in range(50):
        article = " ".join(random.sample(lines, 3))
        most = random.randint(20, len(units(article)) + 5)
        cut, length = cut_words(article, units, most)
        assert article.startswith(cut) and length == len(units(cut)) <= most
        longer = article[: len(cut) + 1] + article[len(cut) + 1 :].split(" ")[0]
        assert cut == article or len(units(longer)) > most
    assert cut_words("Fu\u00dfball spielen", units, 1)[0] == "Fu\u00dfball"
    assert cut_words("", units, 1) == ("", 0)
