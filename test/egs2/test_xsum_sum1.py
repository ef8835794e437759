"""What is planned for summarisation, text to text (see conftest.py)."""

EXP = "exp/mini/mt_train_sum_mini_mtla"
DECODING = f"{EXP}/decode_sum_mini_mt_model_valid.acc.ave"


def test_from_articles_to_rouge(plan):
    planned = plan("xsum/sum1", "--ngpu", "0")
    assert planned.commands == (
        ["make_mini", "prepare_xsum", "tokens", *["cut_text"] * 3]
        + ["mt_train", "mt_inference", "score_sum", "compare"]
    )
    assert planned.call("prepare_xsum") == (
        "prepare_xsum --corpus data/mini/downloads/xsum --out data/mini"
    )
    units = "data/mini/token_list/bpe_bpe600"
    assert planned.call("tokens") == (
        "tokens --text data/mini/train/text data/mini/train/src_text"
        f" --nbpe 600 --bpemode bpe --out {units}"
    )
    for nth, part in enumerate(("train", "validation", "test")):
        assert planned.call("cut_text", nth) == (
            f"cut_text --data data/mini/{part} --bpemodel {units}/bpe.model"
            f" --max_units 1024 --out dump/mini/raw/{part}"
        )
    train, dev = "dump/mini/raw/train", "dump/mini/raw/validation"
    assert planned.call("mt_train") == " ".join(
        ["mt_train --config conf/train_sum_mini.yaml"]
        + ["--config ../../../conf/decoder/mtla.yaml"]
        + [
            f"--{prefix}token_list {units}/tokens.txt"
            f" --{prefix}bpemodel {units}/bpe.model --{prefix}token_type bpe"
            for prefix in ("", "src_")
        ]
        + [
            f"--{part}_shape_file {data}/src_text_shape"
            f" --{part}_shape_file {data}/text_shape"
            f" --{part}_data_path_and_name_and_type {data}/text,text,text"
            f" --{part}_data_path_and_name_and_type {data}/src_text,src_text,text"
            for part, data in (("train", train), ("valid", dev))
        ]
        + [f"--output_dir {EXP} --seed 1 --resume true --ngpu 0"]
    )
    assert planned.call("mt_inference") == (
        "mt_inference --config conf/decode_sum_mini.yaml --ngpu 0"
        " --data_path_and_name_and_type dump/mini/raw/test/src_text,src_text,text"
        f" --mt_train_config {EXP}/config.yaml --mt_model_file {EXP}/valid.acc.ave.pth"
        f" --output_dir {DECODING}/test"
    )
    assert planned.call("score_sum") == (
        f"score_sum --ref dump/mini/raw/test/text --hyp {DECODING}/test/text"
        f" --out {DECODING}/test/score_rouge"
    )
    assert planned.call("compare") == (
        "compare exp/mini --corpus xsum --out exp/mini/RESULTS.md"
    )
    assert ("2-4", "speech: there is none") in planned.notes


def test_the_real_corpus(plan, corpus):
    planned = plan("xsum/sum1", "--xsum", corpus, mini=False)
    assert planned.commands == plan("xsum/sum1").commands[1:]
    assert planned.calls[0] == f"prepare_xsum --corpus {corpus} --out data"
    assert "--nbpe 30000 --bpemode bpe " in planned.call("tokens")
    assert "--config conf/train_sum.yaml" in planned.call("mt_train")
    assert "--config conf/decode_sum.yaml" in planned.call("mt_inference")


def test_articles_of_another_length_stand_beside_it(plan):
    planned = plan("xsum/sum1", "--max_units", "100")
    assert "--max_units 100 --out" in planned.call("cut_text")
    assert f"--output_dir {EXP}_max_units100 " in planned.call("mt_train")
