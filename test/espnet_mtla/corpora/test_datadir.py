"""Tables and files that are complete or absent."""

import errno
import os

import pytest

from espnet_mtla.corpora.datadir import (
    copy_rows,
    read_samples,
    text_files,
    write_speakers,
)
from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open, read_lines, read_table, write_table


def test_atomic_open_makes_folders_and_leaves_nothing_beside_the_file(tmp_path):
    path = tmp_path / "a" / "b" / "text"
    with atomic_open(path) as file:
        file.write("Grüße\n")
        assert not path.exists()
    assert path.read_bytes() == "Grüße\n".encode()
    assert os.listdir(path.parent) == ["text"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_atomic_open_keeps_what_was_there_when_interrupted(tmp_path, error):
    path = tmp_path / "text"
    path.write_text("before\n")
    with pytest.raises(error), atomic_open(path) as file:
        file.write("half")
        raise error
    assert path.read_text() == "before\n"
    assert os.listdir(tmp_path) == ["text"]


def test_full_disk_names_the_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "model"
    with pytest.raises(OSError, match="No space") as e, atomic_open(path, "wb") as file:
        file.write(b"half")
        # What write() raises on a full disk: without a file name.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert e.value.errno == errno.ENOSPC and e.value.filename == str(path)
    assert os.listdir(tmp_path) == []


def test_tables_are_sorted_as_bytes_and_come_back(tmp_path):
    path = tmp_path / "text"
    rows = {"b": "zwei Wörter", "a_1": "x", "B": "1", "a-1": "", "é": "y"}
    write_table(path, rows)
    keys = [line.split(b" ")[0] for line in path.read_bytes().splitlines()]
    assert keys == sorted(keys)
    assert read_table(path) == rows


@pytest.mark.parametrize(
    "content, message",
    [
        (b"a 1\nb 2\na 3\n", "line 3: a occurs a second time"),
        (b"a 1\n\nb 2\n", "line 2: an empty line"),
        (b"a 1\nb \xff\n", "line 2 is not UTF-8"),
    ],
)
def test_bad_tables_are_named_with_their_line(tmp_path, content, message):
    path = tmp_path / "utt2spk"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as e:
        read_table(path)
    assert str(path) in str(e.value)


def test_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match="wav.scp is missing"):
        read_table(tmp_path / "wav.scp")


def test_lines_end_at_newlines_only(tmp_path):
    path = tmp_path / "train.de"
    path.write_bytes("eins\u2028zwei\x85drei\r\nvier".encode())
    assert read_lines(path) == ["eins\u2028zwei\x85drei", "vier"]


def test_speakers(tmp_path):
    write_speakers(tmp_path, {"s2_b": "s2", "s1_a": "s1", "s2_a": "s2"})
    assert (tmp_path / "utt2spk").read_text() == "s1_a s1\ns2_a s2\ns2_b s2\n"
    assert (tmp_path / "spk2utt").read_text() == "s1 s1_a\ns2 s2_a s2_b\n"


def test_text_files_are_text_and_text_dot(tmp_path):
    for name in ("text", "text.tc.de", "text_spk1", "textual"):
        (tmp_path / name).touch()
    assert [path.name for path in text_files(tmp_path)] == ["text", "text.tc.de"]


def test_copy_rows_names_what_is_missing(tmp_path):
    source = tmp_path / "text"
    source.write_text("a x\nb y\n")
    copy_rows(source, tmp_path / "out", ["b"])
    assert (tmp_path / "out").read_text() == "b y\n"
    with pytest.raises(InputError, match="text has no line for c"):
        copy_rows(source, tmp_path / "out", ["a", "c"])


@pytest.mark.parametrize("value", ["", "-3", "1.5", "x"])
def test_samples_are_counts(tmp_path, value):
    path = tmp_path / "utt2num_samples"
    path.write_text(f"a 16000\nb {value}\n")
    with pytest.raises(InputError, match=f"b has {value!r} samples"):
        read_samples(path)
