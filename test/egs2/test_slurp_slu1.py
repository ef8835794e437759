"""What is planned for spoken language understanding (see conftest.py)."""

EXP = "exp/mini/slu_train_slu_mini_mtla"
DECODING = "decode_slu_mini_slu_model_valid.acc.ave"


def test_from_corpus_to_intent_accuracy(plan):
    planned = plan("slurp/slu1")
    assert planned.commands == (
        ["make_mini", "prepare_slurp"]
        + ["format_wav_scp"] * 3
        + ["filter_data"] * 2
        + ["tokens", "slu_train", "slu_inference", "score_slu", "compare"]
    )
    assert planned.call("prepare_slurp") == (
        "prepare_slurp --corpus data/mini/downloads/slurp --out data/mini"
    )
    units = "data/mini/token_list/bpe_unigram150"
    train = planned.call("slu_train")
    assert f"--token_list {units}/tokens.txt --bpemodel {units}/bpe.model" in train
    assert "dump/mini/raw/train/text,text,text" in train
    assert f"--output_dir {EXP} " in train
    decode = planned.call("slu_inference")
    assert f"--slu_train_config {EXP}/config.yaml --slu_model_file {EXP}/" in decode
    out = f"{EXP}/{DECODING}/test"
    assert planned.call("score_slu") == (
        f"score_slu --ref dump/mini/raw/test/text --hyp {out}/text"
        f" --out {out}/score_slu"
    )
    assert "--corpus slurp --out " in planned.call("compare")


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
