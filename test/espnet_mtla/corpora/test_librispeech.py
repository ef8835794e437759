"""The LibriSpeech reader, on small hand-made copies of the published layout."""

import pytest

from espnet_mtla.corpora.librispeech import PARTS, PUBLISHED, prepare_librispeech
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table

CHAPTERS = {
    ("84", "121123"): ["GO DO YOU HEAR", "BUT IN LESS  THAN FIVE MINUTES"],
    ("84", "121550"): ["IT'S THE FIRST"],
    ("1272", "128104"): ["MISTER QUILTER", "", "NOR IS MISTER QUILTER'S MANNER"],
}


def make(root, *parts):
    """Every chapter in each part; its speakers' numbers grow with the part."""
    for i, part in enumerate(parts):
        for (speaker, chapter), texts in CHAPTERS.items():
            name = f"{int(speaker) + i}-{chapter}"
            folder = root / part / name.replace("-", "/")
            folder.mkdir(parents=True)
            lines = [f"{name}-{n:04d} {text}\n" for n, text in enumerate(texts)]
            (folder / f"{name}.trans.txt").write_text("".join(lines))
            for n in range(len(texts)):
                (folder / f"{name}-{n:04d}.flac").write_bytes(b"fLaC")
    return root


def test_every_file(tmp_path, caplog):
    root = make(tmp_path / "LibriSpeech", "dev-clean")
    report = prepare_librispeech(root, tmp_path / "data", ("dev-clean",))
    assert report == (
        "dev-clean: transcripts: 6 (published: 2703), 5 utterances, 3 chapters; "
        "dropped 1: 1 with an empty text"
    )
    assert "dev-clean: transcripts: 6, but 2703 were published" in caplog.text
    out = tmp_path / "data" / "dev_clean"
    assert (out / "text").read_text().splitlines() == [
        "1272-128104-0000 MISTER QUILTER",
        "1272-128104-0002 NOR IS MISTER QUILTER'S MANNER",
        "84-121123-0000 GO DO YOU HEAR",
        "84-121123-0001 BUT IN LESS THAN FIVE MINUTES",
        "84-121550-0000 IT'S THE FIRST",
    ]
    wavs = read_table(out / "wav.scp")
    assert list(wavs) == list(read_table(out / "text"))
    assert wavs["84-121550-0000"] == f"{root}/dev-clean/84/121550/84-121550-0000.flac"
    assert read_table(out / "spk2utt")["84-121123"] == "84-121123-0000 84-121123-0001"
    assert not (tmp_path / "data/dev").exists()  # only with dev-other


def test_parts_are_combined_when_all_are_there(tmp_path):
    make(tmp_path / "LibriSpeech", *PARTS)
    report = prepare_librispeech(tmp_path, tmp_path / "data")  # the folder above
    lines = report.splitlines()
    assert len(lines) == 9 and lines[-2:] == [
        "train_960: 15 utterances",
        "dev: 10 utterances",
    ]
    names = [part.replace("-", "_") for part in PARTS]
    assert {path.name for path in (tmp_path / "data").iterdir()} == {
        *names,
        "train_960",
        "dev",
    }
    dev = read_table(tmp_path / "data/dev/wav.scp")
    assert sum("/dev-other/" in path for path in dev.values()) == 5
    assert len(read_table(tmp_path / "data/train_960/utt2spk")) == 15


def test_what_is_there_is_prepared_and_the_rest_is_named(tmp_path):
    """A training on 100 hours needs no others."""
    root = make(tmp_path, "train-clean-100", "dev-clean", "dev-other")
    report = prepare_librispeech(root, tmp_path / "data").splitlines()
    assert report[-2:] == [
        f"train_960: not made, without {root}/train-clean-360, {root}/train-other-500",
        "dev: 10 utterances",
    ]
    made = {path.name for path in (tmp_path / "data").iterdir()}
    assert made == {"train_clean_100", "dev_clean", "dev_other", "dev"}


def test_what_lacks_its_other_half_is_named(tmp_path, caplog):
    root = make(tmp_path, "test-clean")
    chapter = root / "test-clean/84/121123"
    (chapter / "84-121123-0000.flac").unlink()
    (chapter / "84-121123-0007.flac").write_bytes(b"fLaC")
    report = prepare_librispeech(root, tmp_path / "data", ("test-clean",))
    assert report.endswith(
        "4 utterances, 3 chapters; dropped 3: 1 with an empty text, 1 without audio, "
        "1 without transcript"
    )
    assert f"no audio for 1: {chapter}/84-121123-0000.flac" in caplog.text
    assert f"no transcript for 1: {chapter}/84-121123-0007.flac" in caplog.text


def test_a_rerun_gives_the_same_files(tmp_path):
    root = make(tmp_path / "L", "dev-clean", "dev-other")
    contents = []
    for _ in range(2):
        prepare_librispeech(root, tmp_path / "data", ("dev-clean", "dev-other"))
        files = sorted(p for p in (tmp_path / "data").rglob("*") if p.is_file())
        contents.append([(path, path.read_bytes()) for path in files])
    assert contents[0] == contents[1] and len(contents[0]) == 12


def _transcript(text):
    def spoil(root):
        (root / "dev-clean/84/121123/84-121123.trans.txt").write_text(text)

    return spoil


def _no_transcript(root):
    (root / "dev-clean/84/121123/84-121123.trans.txt").unlink()


def _nothing(root):
    for path in root.rglob("*.flac"):
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_transcript, "84-121123.trans.txt is missing"),
        (_transcript("84-121550-0000 GO\n"), "line 1: 84-121550-0000 is no utterance"),
        (
            _transcript("84-121123-0000 A\n84-121123-0000 B\n"),
            "line 2: 84-121123-0000 is no utterance of 84-121123, or a second one",
        ),
        (_transcript("\n"), "line 1: an empty line is no utterance"),
        (_nothing, "dev-clean has no utterance; dropped 6: 6 without audio"),
    ],
)
def test_damage_is_named_and_nothing_written(tmp_path, spoil, message):
    root = make(tmp_path / "L", "dev-clean")
    spoil(root)
    with pytest.raises(InputError, match=message) as e:
        prepare_librispeech(root, tmp_path / "data", ("dev-clean",))
    assert "\n" not in str(e.value) and not (tmp_path / "data").exists()


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(InputError, match="gone is missing: give the"):
        prepare_librispeech(tmp_path / "gone", tmp_path / "data")
    with pytest.raises(InputError, match="holds no part, as dev-clean"):
        prepare_librispeech(tmp_path, tmp_path / "data")
    make(tmp_path, "dev-clean")
    with pytest.raises(InputError, match="train-clean-100 is missing: .* --parts"):
        prepare_librispeech(tmp_path, tmp_path / "data", ("train-clean-100",))
    with pytest.raises(InputError, match="no part 'dev': choose from train-clean-100"):
        prepare_librispeech(tmp_path, tmp_path / "data", ("dev",))
    assert not (tmp_path / "data").exists()


def test_the_published_counts_are_those_of_960_hours():
    assert sum(n for part, n in PUBLISHED.items() if "train" in part) == 281241
