"""What is planned for spoken language understanding (see conftest.py)."""

EXP = "exp/mini/slu_train_slu_mini_mtla"
DECODING = "decode_slu_mini_slu_model_valid.acc.ave"


def test_from_corpus_to_intent_accuracy(plan):
    planned = plan("slurp/slu1")
    stages = [unit.number for unit in planned.units]
    assert stages == ["1", "3", "3", "3", "4", "4", "5", "11", "12", "13", "13"]
    units, out = "data/mini/token_list/bpe_unigram150", f"{EXP}/{DECODING}/test"
    for words in (
        "prepare_slurp --corpus data/mini/downloads/slurp --out data/mini",
        f"--token_list {units}/tokens.txt --bpemodel {units}/bpe.model --token_type bpe",
        "dump/mini/raw/train/text,text,text",
        f"--output_dir {EXP} --seed 1",
        f"--slu_train_config {EXP}/config.yaml --slu_model_file {EXP}/valid.acc.ave.pth",
        f"score_slu --ref dump/mini/raw/test/text --hyp {out}/text --out {out}/score_slu",
        "compare exp/mini --corpus slurp --out ",
    ):
        assert any(words in call for call in planned.calls)


def test_entities_are_another_target(plan):
    planned = plan("slurp/slu1", "--entities", "true")
    text = "dump/mini/raw/train/text.entities"
    units = "data/mini/token_list/bpe_unigram150_entities"
    assert planned.call("tokens") == (
        f"tokens --text {text} --nbpe 150 --bpemode unigram --out {units}"
    )
    train = planned.call("slu_train")
    assert f"{text},text,text" in train and f"{units}/tokens.txt" in train
    assert f"--output_dir {EXP}_entitiestrue " in train
    assert planned.call("score_slu").startswith(
        "score_slu --ref dump/mini/raw/test/text.entities "
        f"--hyp {EXP}_entitiestrue/{DECODING}"
    )
