"""The MuST-C reader, on small hand-made copies of the published layout."""

import numpy as np
import pytest
import soundfile

from espnet_mtla.corpora.must_c import (
    clean_source,
    clean_target,
    prepare_must_c,
    read_entries,
)
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table

ORDERS = {
    "v1": "- {{duration: {d}, offset: {o}, rW: 9, uW: 0, speaker_id: spk.{n}, wav: ted_{n}.wav}}",
    "short": "- {{duration: {d}, offset: {o}, speaker_id: spk.{n}, wav: ted_{n}.wav}}",
    "v3": "- {{wav: ted_{n}.wav, uW: 0, f: 0.5, speaker_id: spk.{n}, offset: {o}, duration: {d}}}",
    "quoted": "- {{offset: {o}, duration: {d}, wav: 'ted_{n}.wav', speaker_id: \"spk.{n}\"}}",
    "blocks": "- offset: {o}\n  duration: {d}\n  speaker_id: spk.{n}\n  wav: ted_{n}.wav",
}
# talk, offset and duration (s), English, German; not in the order of the ids
ROWS = [
    (27, 1.5, 2.25, "Thank you. (Applause)", "Vielen Dank. (Applaus)"),
    (
        3,
        0.0,
        1.0,
        "Don't go \u2014 it\u2019s 50% off!",
        "Geh nicht\u2026 es ist\u00a0billig!",
    ),
    (27, 0.25, 1.0, "Hello, World!", "Hallo, Welt!"),
    (3, 3.0, 1.05, '"Well-known" songs', "\u201eBekannte\u201c Lieder"),
]


class Corpus:
    """A corpus of one split, kept as lists so that a test can spoil it."""

    def __init__(self, root, order="v1", split="train"):
        self.root, self.split = root, split
        self.folder = root / "en-de" / "data" / split
        self.yaml = [ORDERS[order].format(n=n, o=o, d=d) for n, o, d, _, _ in ROWS]
        self.english = [row[3] for row in ROWS]
        self.german = [row[4] for row in ROWS]

    @property
    def txt(self):
        return self.folder / "txt"

    def add(self, n, offset, duration, english, german):
        self.yaml.append(ORDERS["v1"].format(n=n, o=offset, d=duration))
        self.english.append(english)
        self.german.append(german)

    def write(self):
        for name in ("txt", "wav"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for suffix, lines in (
            ("yaml", self.yaml),
            ("en", self.english),
            ("de", self.german),
        ):
            path = self.txt / f"{self.split}.{suffix}"
            path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        for n in (3, 27):
            soundfile.write(
                self.folder / "wav" / f"ted_{n}.wav", np.zeros(64000), 16000
            )
        return self

    def prepare(self, out=None):
        return prepare_must_c(self.root, "de", out or self.root / "out", (self.split,))


@pytest.mark.parametrize("order", ORDERS)
def test_every_file_in_every_published_order(tmp_path, order):
    corpus = Corpus(tmp_path, order).write()
    assert corpus.prepare() == "train: segments: 4, 4 utterances, 2 talks, 0.00 h"
    out = tmp_path / "out" / "train.en-de"
    ids = [
        "ted_00003_0000000_0001000",
        "ted_00003_0003000_0004000",  # 50 ms beyond the end: clipped
        "ted_00027_0000250_0001250",
        "ted_00027_0001500_0003750",
    ]
    assert (out / "segments").read_text().splitlines() == [
        f"{ids[0]} ted_00003 0.000000 1.000000",
        f"{ids[1]} ted_00003 3.000000 4.000000",
        f"{ids[2]} ted_00027 0.250000 1.250000",
        f"{ids[3]} ted_00027 1.500000 3.750000",
    ]
    assert (out / "wav.scp").read_text().splitlines() == [
        f"ted_00003 {corpus.folder}/wav/ted_3.wav",
        f"ted_00027 {corpus.folder}/wav/ted_27.wav",
    ]
    assert (out / "text.tc.de").read_text(encoding="utf-8").splitlines() == [
        f"{ids[0]} Geh nicht\u2026 es ist billig!",
        f"{ids[1]} \u201eBekannte\u201c Lieder",
        f"{ids[2]} Hallo, Welt!",
        f"{ids[3]} Vielen Dank. (Applaus)",
    ]
    assert (out / "text.lc.rm.en").read_text().splitlines() == [
        f"{ids[0]} don't go it's 50 off",
        f"{ids[1]} well known songs",
        f"{ids[2]} hello world",
        f"{ids[3]} thank you applause",
    ]
    assert read_table(out / "utt2spk") == {i: i[:9] for i in ids}
    assert read_table(out / "spk2utt")["ted_00027"] == f"{ids[2]} {ids[3]}"


def test_a_rerun_gives_the_same_files(tmp_path):
    corpus = Corpus(tmp_path).write()
    reports, contents = [], []
    for _ in range(2):
        reports.append(corpus.prepare())
        out = tmp_path / "out" / "train.en-de"
        contents.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert reports[0] == reports[1] and contents[0] == contents[1]


def test_the_language_pair_itself_may_be_given(tmp_path):
    Corpus(tmp_path).write()
    assert "4 utter" in prepare_must_c(
        tmp_path / "en-de", "de", tmp_path / "o", ("train",)
    )


def test_another_language(tmp_path):
    corpus = Corpus(tmp_path).write()
    chinese = ["谢谢。（掌声）", "别走——它打五折！", "你好，世界！", "“著名的” 歌"]
    (corpus.txt / "train.de").unlink()
    (corpus.txt / "train.zh").write_text("".join(f"{t}\n" for t in chinese), "utf-8")
    (tmp_path / "en-de").rename(tmp_path / "en-zh")
    prepare_must_c(tmp_path, "zh", tmp_path / "out", ("train",))
    out = tmp_path / "out/train.en-zh"
    # In the order of the utterances' ids.
    assert list(read_table(out / "text.tc.zh").values()) == [
        chinese[i] for i in (1, 3, 2, 0)
    ]
    assert (
        read_table(out / "text.lc.rm.en")["ted_00027_0000250_0001250"] == "hello world"
    )
    assert not (out / "text.tc.de").exists()


def test_what_cannot_be_used_is_dropped_and_counted(tmp_path):
    corpus = Corpus(tmp_path)
    corpus.add(3, 1.0, 0, "no time", "keine Zeit")
    corpus.add(3, -1.0, 2.0, "early", "zu früh")
    corpus.add(3, 1.0, 1.0, "", "leer")
    corpus.add(3, 1.0, 1.0, "\u266a \u266b '", "Musik")
    corpus.add(3, 1.0, 1.0, "empty", " \u00a0 ")
    corpus.add(3, 4.05, 0.04, "silence", "Stille")
    corpus.add(3, 0.5, 3.7, "cut off", "abgeschnitten")
    corpus.add(27, 0.25, 1.0, "again", "nochmal")
    report = corpus.write().prepare()
    assert report == (
        "train: segments: 12, 4 utterances, 2 talks, 0.00 h; dropped 8: "
        "2 beyond the end of the audio, 3 with an empty text, "
        "1 with the times of another one, 2 without duration or before the start"
    )
    text = read_table(tmp_path / "out/train.en-de/text.tc.de")
    assert text["ted_00027_0000250_0001250"] == "Hallo, Welt!"


def test_the_first_release_is_counted_beside_the_published_one(tmp_path, caplog):
    release = tmp_path / "MUSTC_v1.0"
    assert (
        Corpus(release)
        .write()
        .prepare()
        .startswith("train: segments: 4 (published: 229703), 4 utterances")
    )
    assert "train: segments: 4, but 229703 were published" in caplog.text
    caplog.clear()
    second = tmp_path / "dev1" / "MUSTC_v2.0"
    assert Corpus(second).write().prepare().startswith("train: segments: 4, 4 utt")
    assert not caplog.text


def test_very_short_segments_are_widened_as_in_espnet(tmp_path):
    corpus = Corpus(tmp_path)
    corpus.add(3, 2.0, 0.1, "Oh.", "Oh.")
    corpus.add(3, 0.0, 0.1, "Ah.", "Ah.")
    corpus.write().prepare()
    segments = read_table(tmp_path / "out/train.en-de/segments")
    assert segments["ted_00003_0001950_0002150"] == "ted_00003 1.950000 2.150000"
    assert segments["ted_00003_0000000_0000150"] == "ted_00003 0.000000 0.150000"


def _missing(suffix):
    return lambda c: (c.txt / f"train.{suffix}").unlink()


def _line(suffix, number, text):
    def spoil(corpus):
        path = corpus.txt / f"train.{suffix}"
        lines = path.read_text(encoding="utf-8").splitlines()
        lines[number - 1 : number] = [text] if text is not None else []
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    return spoil


def _wav(number, content):
    return lambda c: (c.folder / "wav" / f"ted_{number}.wav").write_bytes(content)


ENTRY = "- {duration: 1.0, offset: 0.5, speaker_id: spk.3, wav: ted_3.wav}"


@pytest.mark.parametrize(
    "spoil, message",
    [
        (_missing("yaml"), "train.yaml is missing"),
        (_missing("en"), "train.en is missing"),
        (_missing("de"), "train.de is missing"),
        (_line("de", 2, None), "train.de has 3 lines but train.yaml has 4 entries"),
        (_line("en", 4, "a\nb"), "train.en has 5 lines but train.yaml has 4 entries"),
        (_line("yaml", 2, "- {duration: 1.0, : ["), "train.yaml line 2 is not YAML"),
        (_line("yaml", 2, "- nothing"), "train.yaml line 2 is not a map"),
        (
            _line("yaml", 3, ENTRY.replace("offset: 0.5, ", "")),
            "train.yaml line 3 has no offset",
        ),
        (
            _line("yaml", 3, ENTRY.replace("wav: ted_3.wav", "wav: ")),
            "train.yaml line 3 has no wav",
        ),
        (
            _line("yaml", 1, ENTRY.replace("1.0", "long")),
            "train.yaml line 1: duration 'long' is not a number",
        ),
        (
            _line("yaml", 1, ENTRY.replace("ted_3", "ted_4")),
            r"ted_4.wav is missing \(.*train.yaml line 1\)",
        ),
        (_wav(3, b"RIFF, not really"), "ted_3.wav cannot be read as audio"),
        (_wav(27, b""), "ted_27.wav cannot be read as audio"),
    ],
)
def test_damage_is_named_and_nothing_written(tmp_path, spoil, message):
    corpus = Corpus(tmp_path).write()
    spoil(corpus)
    with pytest.raises(InputError, match=message) as e:
        corpus.prepare()
    assert "\n" not in str(e.value) and str(tmp_path) in str(e.value)
    assert not (tmp_path / "out").exists()


def test_line_numbers_are_the_file_s_also_without_one_line_maps(tmp_path):
    corpus = Corpus(tmp_path, "blocks")
    corpus.yaml[2] = "- offset: 1.0\n  wav: ted_3.wav"
    with pytest.raises(InputError, match="train.yaml line 9 has no duration"):
        corpus.write().prepare()


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(InputError, match="nowhere is missing: give"):
        prepare_must_c(tmp_path / "nowhere", "de", tmp_path / "out")
    with pytest.raises(InputError, match="has no en-fr/data"):
        Corpus(tmp_path).write()
        prepare_must_c(tmp_path, "fr", tmp_path / "out")
    with pytest.raises(InputError, match="data/dev is missing: .* --splits"):
        prepare_must_c(tmp_path, "de", tmp_path / "out", ("train", "dev"))
    assert not (tmp_path / "out").exists()


def test_an_all_empty_split_is_an_error(tmp_path):
    corpus = Corpus(tmp_path)
    corpus.german = [""] * 4
    with pytest.raises(InputError, match="no usable segment; .*4 with an empty text"):
        corpus.write().prepare()


def test_the_fast_parser_agrees_with_yaml(tmp_path):
    fast, slow = tmp_path / "fast.yaml", tmp_path / "slow.yaml"
    lines = [ORDERS["v1"].format(n=n, o=o, d=d) for n, o, d, _, _ in ROWS]
    fast.write_text("\n".join(lines) + "\n")
    slow.write_text("\n".join(lines).replace(", ", ",  ") + "\n")
    for (i, a), (j, b) in zip(read_entries(fast), read_entries(slow), strict=True):
        assert i == j and {k: str(v) for k, v in b.items()} == a


@pytest.mark.parametrize(
    "raw, clean",
    [
        ("It's \u2018fine\u2019, isn\u2019t it?", "it's 'fine' isn't it"),
        ("state-of-the-art \u2013 50,000 people", "state of the art 50 000 people"),
        ("rock ' n ' roll", "rock n roll"),
        ("A_B \u00c4rger, na\u00efve (Laughter)", "a b \u00e4rger na\u00efve laughter"),
        (" \t ...", ""),
    ],
)
def test_source_text(raw, clean):
    assert clean_source(raw) == clean


def test_target_text_is_only_tidied():
    assert (
        clean_target("  Ja,\u00a0 \u201eso\u201c \u2013 gut!\t")
        == "Ja, \u201eso\u201c \u2013 gut!"
    )
