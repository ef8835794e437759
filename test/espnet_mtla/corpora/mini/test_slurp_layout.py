"""The mini corpus in SLURP's layout."""

import json
from pathlib import Path

import pytest
import soundfile

from espnet_mtla.corpora.meaning import read_annotation, read_target
from espnet_mtla.corpora.mini.build import Recipe, make_mini
from espnet_mtla.corpora.mini.must_c import LAYOUT as MUST_C
from espnet_mtla.corpora.mini.slurp import LAYOUT, VOICES, entries, plan
from espnet_mtla.corpora.slurp import prepare_slurp, read_meaning
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table

SMALL = Recipe(num_train=30, num_dev=3, num_test=5, seed=3)
SIZES = {"train": 30, "devel": 3, "test": 5}


def _content(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("slurp")
    make_mini(root, SMALL, LAYOUT)
    return root


def test_published_layout(corpus):
    listed = []
    for split, size in SIZES.items():
        lines = (corpus / f"dataset/slurp/{split}.jsonl").read_text().splitlines()
        assert len(lines) == size
        for record in map(json.loads, lines):
            fields = "slurp_id sentence sentence_annotation intent action tokens"
            assert set(record) == {
                *fields.split(),
                "scenario",
                "recordings",
                "entities",
            }
            listed += [recording["file"] for recording in record["recordings"]]
    audio = corpus / "audio" / "slurp_real"
    assert sorted(listed) == sorted(path.name for path in audio.iterdir())
    for name in listed:
        info = soundfile.info(audio / name)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert 0.8 < info.duration < 6


def test_byte_identical_whatever_the_processes(corpus, tmp_path):
    make_mini(tmp_path, SMALL, LAYOUT, nj=2)
    assert _content(tmp_path) == _content(corpus)


def test_annotation_tokens_and_spans_agree(seed):
    for split in plan(Recipe(300, 20, 20, seed=seed % 1000)).values():
        for talk in split:
            for record in entries(talk):
                meaning = read_meaning(record, "mini")
                sentence, entities = read_annotation(
                    record["sentence_annotation"], "mini"
                )
                assert sentence == record["sentence"] == meaning.transcript
                assert entities == meaning.entities
                assert record["intent"] == meaning.intent
                assert sentence.islower() and not set("[]:.,?") & set(sentence)


def test_sentences_voices_and_speakers_are_disjoint():
    talks = plan(Recipe(2000, 150, 200))
    assert tuple(talks) == tuple(VOICES)
    seen: dict[object, str] = {}
    for split, group in talks.items():
        for talk in group:
            things = [c.english for c in talk.commands]
            for thing in (*things, talk.voice.voice.split("+")[1], talk.number):
                assert seen.setdefault(thing, split) == split
    intents = [
        {c.scenario + c.action for t in g for c in t.commands} for g in talks.values()
    ]
    assert len(intents[0]) >= 40 and intents[1] | intents[2] <= intents[0]


def test_the_reader_takes_all_of_it(corpus, tmp_path, caplog):
    report = prepare_slurp(corpus, tmp_path)
    assert "dropped" not in report and not caplog.records
    for split, size in SIZES.items():
        assert f"{split}: {size} utterances" in report
        transcripts = read_table(tmp_path / split / "transcript")
        for name in ("text", "text.entities"):
            text = read_table(tmp_path / split / name)
            read = {u: read_target(t).transcript for u, t in text.items()}
            assert read == transcripts
    assert len(set(read_table(tmp_path / "train" / "utt2spk").values())) >= 1


def test_a_corpus_of_another_layout_is_not_touched(corpus):
    before = _content(corpus)
    with pytest.raises(InputError, match="holds another corpus"):
        make_mini(corpus, SMALL, MUST_C)
    assert "left as it is" in make_mini(corpus, SMALL, LAYOUT)
    assert _content(corpus) == before
