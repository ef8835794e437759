"""The SLURP reader, on a hand-made copy of the published layout."""

import json

import numpy as np
import pytest
import soundfile

from espnet_mtla.corpora import slurp
from espnet_mtla.corpora.slurp import clean_transcript, prepare_slurp
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table


def entry(slurp_id, annotation, scenario, action, tokens, entities, *files):
    """An entry with every published field; ``tokens`` is split at spaces."""
    sentence = annotation
    for mark in ("[time : ", "[date : ", "]"):
        sentence = sentence.replace(mark, "")
    return {
        "slurp_id": slurp_id,
        "sentence": sentence,
        "sentence_annotation": annotation,
        "intent": f"{scenario}_{action}",
        "action": action,
        "tokens": [
            {"surface": word, "id": i, "lemma": word, "pos": "NN"}
            for i, word in enumerate(tokens.split())
        ],
        "scenario": scenario,
        "recordings": [
            {"file": name, "wer": 0.0, "ent_wer": None, "status": "correct"}
            for name in files
        ],
        "entities": [{"span": span, "type": kind} for kind, span in entities],
    }


WAKE = (4489, "wake me up at [time : eight] o'clock", "alarm", "set")
WAKE += ("wake me up at eight o'clock", [("time", [4])])
LIGHTS = (7, "don't turn the Lights off", "iot", "hue_lightoff")
LIGHTS += ("do n't turn the Lights off", [])
PLANS = (9, "what is on [date : this week], [time : ten] @ home", "calendar", "query")
PLANS += ("what is on this Week ten at home", [("date", [3, 4]), ("time", [5])])
NEWS = (11, "what is new", "news", "query", "what is new", [])


class Corpus:
    """A small corpus, kept as data so that a test can spoil it."""

    def __init__(self, root):
        self.root = root
        self.dataset = root / "dataset" / "slurp"
        self.entries = {
            "train": [
                entry(*WAKE, "audio-1.flac", "audio--15-headset.flac"),
                entry(*LIGHTS, "audio-2-headset.flac"),
            ],
            "devel": [entry(*PLANS, "audio-3.flac")],
            "test": [entry(*NEWS, "audio-4.flac")],
            "train_synthetic": [entry(*WAKE, "audio-77.flac")],
        }
        self.speakers = {
            "audio-1.flac": "FE-488",
            "audio--15-headset.flac": "MO-3",
            "audio-2-headset.flac": "FE-488",
            "audio-3.flac": "UNK-323",
            "audio-4.flac": "MO-3",
        }
        self.leave_out = ()

    def write(self):
        self.dataset.mkdir(parents=True)
        for split, entries in self.entries.items():
            lines = [json.dumps(record) + "\n" for record in entries]
            (self.dataset / f"{split}.jsonl").write_text("".join(lines), "utf-8")
            folder = "slurp_synth" if split == "train_synthetic" else "slurp_real"
            audio = self.root / "audio" / folder
            audio.mkdir(parents=True, exist_ok=True)
            for record in entries:
                for recording in record.get("recordings", []):
                    if recording["file"] not in self.leave_out:
                        path = audio / recording["file"]
                        soundfile.write(path, np.zeros(1600), 16000)
        records = {f: {"usrid": spk, "recid": 1} for f, spk in self.speakers.items()}
        metadata = {"1": {"nlub_id": 2, "recordings": records}}
        (self.dataset / "metadata.json").write_text(json.dumps(metadata), "utf-8")
        return self

    def prepare(self, **options):
        return prepare_slurp(self.root, self.root / "out", **options)

    def table(self, split, name):
        return read_table(self.root / "out" / split / name)


@pytest.fixture
def corpus(tmp_path):
    return Corpus(tmp_path)


def test_every_file(corpus, monkeypatch):
    monkeypatch.setattr(slurp, "PUBLISHED", {"train": 3, "devel": 1, "test": 1})
    report = corpus.write().prepare()
    assert report.splitlines() == [
        "train: 3 utterances, 2 speakers",
        "train: recordings listed: 3 (published: 3)",
        "devel: 1 utterances, 1 speakers",
        "devel: recordings listed: 1 (published: 1)",
        "test: 1 utterances, 1 speakers",
        "test: recordings listed: 1 (published: 1)",
    ]
    out, real = corpus.root / "out" / "train", corpus.root / "audio" / "slurp_real"
    assert (out / "wav.scp").read_text().splitlines() == [
        f"slurp_FE-488_1 {real}/audio-1.flac",
        f"slurp_FE-488_2-headset {real}/audio-2-headset.flac",
        f"slurp_MO-3_-15-headset {real}/audio--15-headset.flac",
    ]
    assert (out / "text").read_text().splitlines() == [
        "slurp_FE-488_1 alarm_set wake me up at eight o'clock",
        "slurp_FE-488_2-headset iot_hue_lightoff don't turn the lights off",
        "slurp_MO-3_-15-headset alarm_set wake me up at eight o'clock",
    ]
    transcripts = corpus.table("devel", "transcript")
    assert transcripts == {"slurp_UNK-323_3": "what is on this week ten at home"}
    assert corpus.table("train", "utt2spk")["slurp_FE-488_1"] == "slurp_FE-488"
    spoken = corpus.table("train", "spk2utt")
    assert spoken["slurp_FE-488"] == "slurp_FE-488_1 slurp_FE-488_2-headset"
    assert (out / "missing_audio").read_text() == ""


def test_entities_as_slurp_evaluates_them(corpus):
    corpus.write().prepare()
    assert corpus.table("devel", "text.entities")["slurp_UNK-323_3"] == (
        "calendar_query SEP date FILL this week SEP time FILL ten "
        "SEP what is on this week ten at home"
    )
    text = corpus.table("train", "text.entities")
    assert text["slurp_FE-488_1"] == (
        "alarm_set SEP time FILL eight SEP wake me up at eight o'clock"
    )
    assert text["slurp_FE-488_2-headset"] == (
        "iot_hue_lightoff SEP don't turn the lights off"
    )


def test_without_tokens_the_annotation_is_read(corpus):
    del corpus.entries["devel"][0]["tokens"]
    corpus.write().prepare(splits=("devel",))
    assert (
        "SEP date FILL this week SEP time FILL ten SEP"
        in (corpus.table("devel", "text.entities")["slurp_UNK-323_3"])
    )


def test_synthetic_data_is_added_to_train(corpus):
    report = corpus.write().prepare(synthetic=True)
    assert "train: 4 utterances, 3 speakers" in report
    assert "train_synthetic: recordings listed: 1 (published: 69253)" in report
    wavs = corpus.table("train", "wav.scp")
    synth = corpus.root / "audio" / "slurp_synth"
    assert wavs["slurp_synthetic_77"] == f"{synth}/audio-77.flac"


def test_audio_that_entries_share_is_kept_once(corpus):
    # In one split with the first entry, across splits where it is tested.
    corpus.entries["train"].append(entry(*NEWS, "audio-1.flac", "audio-4.flac"))
    corpus.entries["train"].append(entry(*PLANS, "audio-3.flac"))
    report = corpus.write().prepare()
    assert "train: 3 utterances, 2 speakers; dropped 3: 3 with the audio of" in report
    assert corpus.table("train", "text")["slurp_FE-488_1"].startswith("alarm_set")
    assert list(corpus.table("test", "text")) == ["slurp_MO-3_4"]
    assert list(corpus.table("devel", "text")) == ["slurp_UNK-323_3"]


def test_missing_audio_is_listed(corpus, caplog):
    corpus.leave_out = ("audio-1.flac",)
    corpus.speakers.pop("audio-2-headset.flac")
    report = corpus.write().prepare()
    assert "train: 2 utterances, 2 speakers; dropped 1: 1 without audio" in report
    path = f"{corpus.root}/audio/slurp_real/audio-1.flac"
    assert (corpus.root / "out/train/missing_audio").read_text() == path + "\n"
    assert f"1 recordings are not there, as {path}" in caplog.text
    assert "slurp_unknown_2-headset" in corpus.table("train", "wav.scp")


def test_counts_that_differ_are_said(corpus, caplog):
    corpus.write().prepare()
    assert "test: recordings listed: 1, but 13078 were published" in caplog.text
    caplog.clear()
    (corpus.root / "mini.json").write_text("{}")
    assert "published" not in corpus.prepare() + caplog.text


def test_an_empty_text_is_dropped(corpus):
    corpus.entries["train"][1]["sentence"] = " ., "
    assert "1 with an empty text" in corpus.write().prepare()


def test_without_metadata_speakers_are_unknown(corpus, caplog):
    corpus.write()
    (corpus.dataset / "metadata.json").unlink()
    assert "train: 3 utterances, 1 speakers" in corpus.prepare()
    assert "metadata.json is missing" in caplog.text


def test_a_rerun_gives_the_same_files(corpus):
    corpus.write()
    contents = []
    for _ in range(2):
        corpus.prepare()
        files = sorted((corpus.root / "out").rglob("*"))
        contents.append({path: path.read_bytes() for path in files if path.is_file()})
    assert contents[0] == contents[1] and len(contents[0]) == 21


def _change(key, value):
    def spoil(corpus):
        record = corpus.entries["devel"][0]
        if value is None:
            del record[key]
        else:
            record[key] = value

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_change("sentence", None), "devel.jsonl line 1 has no sentence"),
        (_change("scenario", 3), "devel.jsonl line 1 has no scenario"),
        (_change("recordings", []), "has no recording of devel"),
        (_change("recordings", None), "devel.jsonl line 1 is not JSON with recordings"),
        (_change("entities", [{"span": [99], "type": "a"}]), "tokens do not fit"),
        (_change("entities", [{"span": [-1], "type": "a"}]), "tokens do not fit"),
        (_change("entities", [{"type": "a"}]), "line 1: entities and tokens do not"),
    ],
)
def test_a_bad_entry_is_named_and_nothing_written(corpus, spoil, message):
    spoil(corpus)
    corpus.write()
    with pytest.raises(InputError, match=message) as e:
        corpus.prepare()
    assert "\n" not in str(e.value)
    assert not (corpus.root / "out").exists()


def test_missing_files_are_named(corpus):
    with pytest.raises(InputError, match="dataset/slurp is missing: give SLURP"):
        corpus.prepare()
    corpus.write()
    with pytest.raises(InputError, match="no split 'dev': choose from train, devel"):
        corpus.prepare(splits=("dev",))
    (corpus.dataset / "train_synthetic.jsonl").unlink()
    with pytest.raises(InputError, match="train_synthetic.jsonl is missing"):
        corpus.prepare(synthetic=True)
    (corpus.dataset / "devel.jsonl").write_text('{"recordings": [\n')
    with pytest.raises(InputError, match="devel.jsonl line 1 is not JSON"):
        corpus.prepare()
    (corpus.dataset / "metadata.json").write_text("[]")
    with pytest.raises(InputError, match="metadata.json is not SLURP's metadata"):
        corpus.prepare()
    assert not (corpus.root / "out").exists()


def test_synthetic_data_without_its_audio_is_refused(corpus):
    corpus.leave_out = ("audio-77.flac",)
    corpus.write()
    message = (
        "audio/slurp_synth has no recording of train_synthetic: run SLURP's "
        "scripts/download_audio.sh, or do without --synthetic true$"
    )
    with pytest.raises(InputError, match=message):
        corpus.prepare(synthetic=True)
    assert not (corpus.root / "out").exists()
    corpus.prepare()


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  Mail me@home, now. ", "mail me at home now"),
        ("#news <unk>", "hashtag news unknown"),
        ("o'clock 7.30", "o'clock 730"),
    ],
)
def test_transcripts(raw, clean):
    assert clean_transcript(raw) == clean
