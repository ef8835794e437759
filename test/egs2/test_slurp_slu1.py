"""What the driver does for spoken language understanding (see conftest.py)."""

import pytest

EXP = "exp/mini/slu_train_slu_mini_mtla"
DECODING = "decode_slu_mini_slu_model_valid.acc.ave"


@pytest.fixture
def slurp(recipe_class, tmp_path):
    return recipe_class(tmp_path, "slurp/slu1")


def test_from_corpus_to_intent_accuracy(slurp):
    slurp.ok()
    assert slurp.commands == (
        ["make_mini", "prepare_slurp"]
        + ["format_wav_scp"] * 3
        + ["filter_data"] * 2
        + ["tokens", "slu_train", "slu_inference", "score_slu", "compare"]
    )
    assert slurp.call("prepare_slurp") == (
        "prepare_slurp --corpus data/mini/downloads/slurp --out data/mini"
    )
    units = "data/mini/token_list/bpe_unigram150"
    train = slurp.call("slu_train")
    assert f"--token_list {units}/tokens.txt --bpemodel {units}/bpe.model" in train
    assert "dump/mini/raw/train/text,text,text" in train
    assert f"--output_dir {EXP} " in train
    decode = slurp.call("slu_inference")
    assert f"--slu_train_config {EXP}/config.yaml --slu_model_file {EXP}/" in decode
    out = f"{EXP}/{DECODING}/test"
    assert slurp.call("score_slu") == (
        f"score_slu --ref dump/mini/raw/test/text --hyp {out}/text"
        f" --out {out}/score_slu"
    )
    assert "--corpus slurp --out " in slurp.call("compare")


def test_entities_are_another_target_on_the_same_audio(slurp):
    slurp.ok()
    slurp.ok("--entities", "true")
    assert slurp.commands == [
        *("tokens", "slu_train", "slu_inference", "score_slu", "compare")
    ]
    text = "dump/mini/raw/train/text.entities"
    units = "data/mini/token_list/bpe_unigram150_entities"
    assert slurp.call("tokens") == (
        f"tokens --text {text} --nbpe 150 --bpemode unigram --out {units}"
    )
    train = slurp.call("slu_train")
    assert f"{text},text,text" in train and f"{units}/tokens.txt" in train
    assert f"--output_dir {EXP}_entitiestrue " in train
    assert slurp.call("score_slu").startswith(
        "score_slu --ref dump/mini/raw/test/text.entities "
        f"--hyp {EXP}_entitiestrue/{DECODING}"
    )
