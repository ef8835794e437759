"""The XSum reader, on hand-made files of both releases."""

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from espnet_mtla.corpora import xsum
from espnet_mtla.corpora.xsum import prepare_xsum
from espnet_mtla.errors import InputError

ROWS = {
    "train": [
        ("30", "One line.\nAnother\u00a0 line, \u201cquoted\u201d.", " It happened. "),
        ("4", "The article.", "The summary."),
    ],
    "validation": [("5", "A valid article.", "A valid summary.")],
    "test": [("6", "A test article.", "A test summary.")],
}
WANT = {
    "src_text": "30 One line. Another line, \u201cquoted\u201d.\n4 The article.\n",
    "text": "30 It happened.\n4 The summary.\n",
}


def table(rows):
    return pa.table(
        {
            "document": [row[1] for row in rows],
            "summary": [row[2] for row in rows],
            "id": [row[0] for row in rows],
        }
    )


def write_parquet(root, rows=ROWS):
    """As on the Hub: some files a split."""
    (root / "data").mkdir(parents=True)
    for split, content in rows.items():
        for i, row in enumerate(content):
            name = f"{split}-{i:05d}-of-{len(content):05d}.parquet"
            parquet.write_table(table([row]), root / "data" / name)


def write_arrow(root, rows=ROWS):
    """As ``save_to_disk`` writes it: a folder a split, streams."""
    for split, content in rows.items():
        folder = root / split
        folder.mkdir(parents=True)
        (folder / "state.json").write_text("{}")
        path = folder / "data-00000-of-00001.arrow"
        with pa.ipc.new_stream(str(path), table(content).schema) as stream:
            stream.write_table(table(content), max_chunksize=1)


def write_jsonl(root, rows=ROWS):
    names = {"validation": "valid"}
    root.mkdir(exist_ok=True)
    for split, content in rows.items():
        lines = [
            json.dumps({"document": document, "summary": summary, "id": name})
            for name, document, summary in content
        ]
        path = root / f"xsum_{names.get(split, split)}.jsonl"
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def write_raw(root, rows=ROWS):
    folder = root / "bbc-summary-data"
    folder.mkdir(parents=True)
    for content in rows.values():
        for name, document, summary in content:
            (folder / f"{name}.summary").write_text(
                f"[SN]URL[SN]\nhttp://web/{name}\n\n[SN]TITLE[SN]\nA title\n\n"
                f"[SN]FIRST-SENTENCE[SN]\n{summary}\n\n[SN]RESTBODY[SN]\n"
                f"Share this with\nTwitter\n{document}\n",
                encoding="utf-8",
            )
    ids = {split: [row[0] for row in content] for split, content in rows.items()}
    path = root / "XSum-TRAINING-DEV-TEST-SPLIT-90-5-5.json"
    path.write_text(json.dumps(ids))


FORMS = [write_parquet, write_arrow, write_jsonl, write_raw]


@pytest.mark.parametrize("write", FORMS)
def test_every_form_gives_the_same(tmp_path, write, caplog, monkeypatch):
    counts = {split: len(rows) for split, rows in ROWS.items()}
    monkeypatch.setattr(xsum, "PUBLISHED", counts)
    write(tmp_path / "xsum")
    report = prepare_xsum(tmp_path / "xsum", tmp_path / "out")
    assert report.splitlines() == [
        "train: articles: 2 (published: 2)",
        "validation: articles: 1 (published: 1)",
        "test: articles: 1 (published: 1)",
    ]
    assert not caplog.records
    for name, content in WANT.items():
        assert (tmp_path / "out/train" / name).read_text(encoding="utf-8") == content
    source = (tmp_path / "out/validation/src_text").read_text()
    assert source == "5 A valid article.\n"


def test_the_raw_folder_itself_and_the_repository_s_list(tmp_path):
    write_raw(tmp_path)
    assert "test: articles: 1" in prepare_xsum(
        tmp_path / "bbc-summary-data", tmp_path / "out", ("test",)
    )
    (tmp_path / "XSum-Dataset").mkdir()
    name = "XSum-TRAINING-DEV-TEST-SPLIT-90-5-5.json"
    (tmp_path / name).rename(tmp_path / "XSum-Dataset" / name)
    assert "test: articles: 1" in prepare_xsum(tmp_path, tmp_path / "out", ("test",))


@pytest.mark.parametrize("write", [write_parquet, write_jsonl])
def test_what_cannot_be_used_is_dropped_and_counts_compared(tmp_path, write, caplog):
    bad = [
        ("7", " \n", "No article."),
        ("8", "No summary.", ""),
        ("4", "Again.", "No."),
    ]
    write(tmp_path, {**ROWS, "train": [*ROWS["train"], *bad]})
    report = prepare_xsum(tmp_path, tmp_path / "out", ("train",))
    assert report == (
        "train: articles: 5 (published: 204045); dropped 3: "
        "1 with the id of another one, 2 without an article or a summary"
    )
    assert (tmp_path / "out/train/src_text").read_text("utf-8") == WANT["src_text"]
    assert "train: articles: 5, but 204045 were published" in caplog.text
    (tmp_path / "mini.json").write_text("{}")
    assert "published" not in prepare_xsum(tmp_path, tmp_path / "out", ("test",))


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match=f"^{tmp_path}/gone is missing: give XSum"):
        prepare_xsum(tmp_path / "gone", tmp_path / "out")
    with pytest.raises(InputError, match="^no split 'dev': choose from train"):
        prepare_xsum(tmp_path, tmp_path / "out", ("dev",))
    write_jsonl(tmp_path, {"train": ROWS["train"]})
    with pytest.raises(InputError, match=rf"^{tmp_path} has no validation\*.parquet"):
        prepare_xsum(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damage_is_named(tmp_path):
    def error(root):
        with pytest.raises(InputError) as e:
            prepare_xsum(root, tmp_path / "out", ("test",))
        assert "\n" not in str(e.value) and not (tmp_path / "out").exists()
        return str(e.value)

    write_jsonl(tmp_path / "a", {"test": [("6", "A", "B"), ("7", None, "B")]})
    assert "xsum_test.jsonl row 2 has not the texts" in error(tmp_path / "a")
    write_jsonl(tmp_path / "b", {"test": [("6 7", "A", "B")]})
    assert "'6 7' in test cannot be an id" in error(tmp_path / "b")
    write_jsonl(tmp_path / "c", {"test": [("6", "A", "")]})
    assert "no usable row of test; dropped 1" in error(tmp_path / "c")
    (tmp_path / "c/xsum_test.jsonl").write_text("{]\n")
    assert "xsum_test.jsonl line 1 is not JSON: fetch" in error(tmp_path / "c")
    for suffix in ("parquet", "arrow"):
        (tmp_path / suffix).mkdir()
        (tmp_path / suffix / f"test.{suffix}").write_bytes(b"PAR1 not really")
        assert f"test.{suffix} cannot be read" in error(tmp_path / suffix)
    write_raw(tmp_path / "d")
    path = tmp_path / "d/bbc-summary-data/6.summary"
    path.write_text("[SN]URL[SN]\nhttp://web\n")
    assert "6.summary has not the parts URL" in error(tmp_path / "d")
    path.unlink()
    assert "6.summary is missing" in error(tmp_path / "d")
    next((tmp_path / "d").glob("*.json")).write_text('{"train": []}')
    assert "does not list the ids of test" in error(tmp_path / "d")
