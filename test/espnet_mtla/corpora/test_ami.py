"""The AMI reader, on hand-made annotations of the published form."""

import numpy as np
import pytest
import soundfile

from espnet_mtla.corpora.ami import clean_text, prepare_ami
from espnet_mtla.corpora.ami_split import meetings_of
from espnet_mtla.errors import InputError
from espnet_mtla.files import read_table

NITE = 'xmlns:nite="http://nite.sourceforge.net/"'
HEAD = '<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>\n'
MEETINGS = f"""{HEAD}<nite:root nite:id="meetings" {NITE}>
  <meeting nite:id="m0" observation="ES2011a" duration="9.0" type="scenario">
    <speaker nite:id="s0" channel="1" camera="C" global_name="FEE041" nxt_agent="A" role="PM"/>
    <speaker nite:id="s1" channel="0" camera="C" global_name="MEE042" nxt_agent="B" role="UI"/>
    <speaker nite:id="s2" channel="2" camera="C" global_name="MEE043" nxt_agent="C" role="ID"/>
  </meeting>
</nite:root>
"""
# What stands between the segments' references: words, punctuation, sounds, a gap.
WORDS_A = """<w nite:id="ES2011a.A.words0" starttime="0.5" endtime="0.7">Okay</w>
   <w nite:id="ES2011a.A.words1" starttime="0.7" endtime="0.7" punc="true">,</w>
   <vocalsound nite:id="ES2011a.A.words2" starttime="0.7" endtime="0.9" type="laugh"/>
   <w nite:id="ES2011a.A.words3" starttime="0.9" endtime="1.2">th-</w>
   <disfmarker nite:id="ES2011a.A.disfmarker4" starttime="1.2" endtime="1.2"/>
   <w nite:id="ES2011a.A.wordsx5" starttime="1.2" endtime="1.4">that's</w>
   <w nite:id="ES2011a.A.words6" starttime="1.4" endtime="1.8">T_V_</w>
   <w nite:id="ES2011a.A.words7" starttime="1.8" endtime="1.8" punc="true">.</w>
   <vocalsound nite:id="ES2011a.A.words8" starttime="2.0" endtime="2.5" type="cough"/>
   <w nite:id="ES2011a.A.words9" starttime="3.0" endtime="3.4">Mm-hmm</w>
   <w nite:id="ES2011a.A.words10" starttime="3.4" endtime="3.4" punc="true">.</w>
   <gap nite:id="ES2011a.A.words11" starttime="3.5" endtime="3.6"/>"""
WORDS_B = """<w nite:id="ES2011a.B.words0" starttime="1.0" endtime="1.5">So</w>
   <w nite:id="ES2011a.B.words1" starttime="9.0" endtime="9.2">late</w>"""
SEGMENTS = {  # transcriber's start and end, first and last element
    "A": [
        (0.4, 1.9, "words0", "words7"),
        (1.5, 1.85, "words6", "words6"),  # inside the first one
        (2.0, 2.6, "words8", None),  # a cough
        (2.9, 3.6, "words9", "words11"),
        (3.0, 3.0, "words9", None),  # no time
        (2.9, 3.6, "words9", "words9"),  # again
    ],
    "B": [
        (0.9, 4.4, "words0", None),  # a little longer than its audio
        (1.0, 4.6, "words0", None),  # much longer
        (9.0, 9.3, "words1", None),
        (3.001, 3.004, "words0", None),  # nothing, in hundredths of a second
    ],
}


@pytest.fixture
def corpus(tmp_path):
    """One development meeting: two speakers of three said something."""
    root = tmp_path / "ami"
    annotations = root / "ami_public_manual_1.6.2"
    for name in ("corpusResources", "words", "segments"):
        (annotations / name).mkdir(parents=True)
    (annotations / "corpusResources/meetings.xml").write_text(MEETINGS)
    for agent, words in (("A", WORDS_A), ("B", WORDS_B)):
        name = f"ES2011a.{agent}"
        text = (
            f'{HEAD}<nite:root nite:id="{name}.words" {NITE}>\n{words}\n</nite:root>\n'
        )
        (annotations / f"words/{name}.words.xml").write_text(text)
        rows = []
        for i, (start, end, first, last) in enumerate(SEGMENTS[agent]):
            href = f"{name}.words.xml#id({name}.{first})"
            href += f"..id({name}.{last})" if last else ""
            rows.append(
                f'<segment nite:id="{name}.segment{i}" channel="0" transcriber_start="{start}"'
                f' transcriber_end="{end}"><nite:child href="{href}"/></segment>'
            )
        text = (
            f'{HEAD}<nite:root nite:id="x" {NITE}>\n'
            + "\n".join(rows)
            + "\n</nite:root>"
        )
        (annotations / f"segments/{name}.segments.xml").write_text(text)
    folder = root / "amicorpus/ES2011a/audio"
    folder.mkdir(parents=True)
    for channel in (0, 1, 2):
        path = folder / f"ES2011a.Headset-{channel}.wav"
        soundfile.write(path, np.zeros(16000 * 4), 16000)
    return root


def prepare(corpus, *splits):
    return prepare_ami(corpus, corpus.parent / "data", splits or ("ihm_dev",))


def test_every_element(corpus, caplog):
    assert prepare(corpus) == (
        "ihm_dev: meetings: 1 (published: 18), 4 utterances, 0.00 h; dropped 6: "
        "2 beyond the end of the audio, 1 with the times of another one, "
        "1 without a word, 2 without duration"
    )
    out = corpus.parent / "data/ihm_dev"
    a, b = "AMI_ES2011a_H01_FEE041", "AMI_ES2011a_H00_MEE042"
    assert read_table(out / "text") == {
        f"{b}_0000090_0000440": "SO",
        f"{a}_0000040_0000190": "OKAY TH THAT'S T V",
        f"{a}_0000150_0000185": "T V",  # overlapping: both stay
        f"{a}_0000290_0000360": "MM-HMM",
    }
    segments = read_table(out / "segments")
    assert segments[f"{a}_0000040_0000190"] == "AMI_ES2011a_H01 0.40 1.90"
    assert segments[f"{b}_0000090_0000440"] == "AMI_ES2011a_H00 0.90 4.00"  # cut
    audio = corpus / "amicorpus/ES2011a/audio"
    assert read_table(out / "wav.scp") == {
        f"AMI_ES2011a_H0{c}": f"{audio}/ES2011a.Headset-{c}.wav" for c in (0, 1)
    }
    assert set(read_table(out / "utt2spk").values()) == {a, b}
    assert "meetings: 1, but 18 were published" in caplog.text


def test_missing_headsets_are_named(corpus, caplog):
    (corpus / "amicorpus/ES2011a/audio/ES2011a.Headset-0.wav").unlink()
    assert "3 utterances" in prepare(corpus) and "4 without audio" in prepare(corpus)
    assert "1 headset recordings are missing" in caplog.text
    assert "ES2011a.Headset-0.wav" in caplog.text


def test_the_splits_are_those_of_full_corpus_asr():
    splits = [meetings_of(f"ihm_{name}") for name in ("train", "dev", "eval")]
    assert [len(meetings) for meetings in splits] == [136, 18, 16]
    assert len(set().union(*splits)) == 170  # disjoint
    assert "EN2002d" in splits[2] and "IN1001" in splits[0] and "IB4011" in splits[1]


def _edit(name, old, new):
    def spoil(corpus):
        path = corpus / "ami_public_manual_1.6.2" / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return spoil


def _no_words(corpus):
    (corpus / "ami_public_manual_1.6.2/words/ES2011a.B.words.xml").unlink()


MEETINGS_XML = "corpusResources/meetings.xml"
SEGMENTS_A = "segments/ES2011a.A.segments.xml"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_words, "ES2011a.B.words.xml is missing"),
        (_edit(SEGMENTS_A, "</nite:root>", ""), "ES2011a.A.segments.xml: not XML"),
        (_edit(SEGMENTS_A, "words9)", "words99)"), "segment3 has no times, or words"),
        (_edit(SEGMENTS_A, "#id(", "#("), "segment0 has no times, or words"),
        (_edit(SEGMENTS_A, '"0.4"', '"now"'), "segment0 has no times"),
        (
            _edit(MEETINGS_XML, "channel", "x"),
            "meeting ES2011a, or a speaker of it: 'channel'",
        ),
        (_edit(MEETINGS_XML, "observation", "x"), "meeting without a name, .*'obs"),
        (
            _edit(MEETINGS_XML, '"2"', '"two"'),
            "meeting ES2011a, or a speaker of it: .* 'two'",
        ),
        (_edit(MEETINGS_XML, "ES2011a", "ES9"), "no usable segment"),
    ],
)
def test_damage_is_named_and_nothing_written(corpus, spoil, message):
    spoil(corpus)
    with pytest.raises(InputError, match=message) as e:
        prepare(corpus)
    assert "\n" not in str(e.value) and not (corpus.parent / "data").exists()


def test_missing_folders_are_named(corpus, tmp_path):
    with pytest.raises(InputError, match="gone is missing: give the folder"):
        prepare_ami(tmp_path / "gone", tmp_path / "data", ("ihm_dev",))
    with pytest.raises(InputError, match="holds no corpusResources/meetings.xml"):
        prepare_ami(tmp_path, tmp_path / "data", ("ihm_dev",))
    with pytest.raises(InputError, match="no split 'dev': choose from ihm_train"):
        prepare(corpus, "dev")
    with pytest.raises(InputError, match="no usable segment of ihm_eval"):
        prepare(corpus, "ihm_dev", "ihm_eval")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Uh-huh okay O_K_", "UH-HUH OKAY OK"),
        ("it's the 'kinetic' thing --", "IT'S THE 'KINETIC' THING"),
        ("H_T_M_L_ d'accord 50", "H T M L D'ACCORD 50"),
        ("GO KART", "GO KART"),
        (" - ' .", ""),
    ],
)
def test_text(raw, clean):
    assert clean_text(raw) == clean
