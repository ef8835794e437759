"""What is planned for summarisation, text to text (see conftest.py)."""

EXP = "exp/mini/mt_train_sum_mini_mtla"
SIZES = "--num_train 4000 --num_dev 150 --num_test 200"
DECODING = f"{EXP}/decode_sum_mini_mt_model_valid.acc.ave"


def test_from_articles_to_rouge(plan):
    planned = plan("xsum/sum1", "--ngpu", "0", "--nj", "3")
    units, raw = "data/mini/token_list/bpe_bpe600", "dump/mini/raw"
    vocabulary = "--{0}token_list {1}/tokens.txt --{0}bpemodel {1}/bpe.model"
    vocabulary += " --{0}token_type bpe"
    data = "--{0}_shape_file {1}/src_text_shape --{0}_shape_file {1}/text_shape"
    data += " --{0}_data_path_and_name_and_type {1}/text,text,text"
    data += " --{0}_data_path_and_name_and_type {1}/src_text,src_text,text"
    corpus = "data/mini/downloads/xsum"
    assert planned.calls == [
        f"make_mini --corpus xsum --out {corpus} {SIZES} --seed 1 --nj 3",
        f"prepare_xsum --corpus {corpus} --out data/mini",
        (
            "tokens --text data/mini/train/text data/mini/train/src_text"
            f" --nbpe 600 --bpemode bpe --out {units}"
        ),
        *(
            f"cut_text --data data/mini/{part} --bpemodel {units}/bpe.model"
            f" --max_units 1024 --out {raw}/{part}"
            for part in ("train", "validation", "test")
        ),
        (
            "mt_train --config conf/train_sum_mini.yaml --config ../../../conf/decoder/mtla.yaml"
            f" {vocabulary.format('', units)} {vocabulary.format('src_', units)}"
            f" {data.format('train', f'{raw}/train')}"
            f" {data.format('valid', f'{raw}/validation')}"
            f" --output_dir {EXP} --seed 1 --resume true --ngpu 0"
        ),
        (
            "mt_inference --config conf/decode_sum_mini.yaml --ngpu 0"
            f" --data_path_and_name_and_type {raw}/test/src_text,src_text,text"
            f" --mt_train_config {EXP}/config.yaml --mt_model_file {EXP}/valid.acc.ave.pth"
            f" --output_dir {DECODING}/test"
        ),
        (
            f"score_sum --ref {raw}/test/text --hyp {DECODING}/test/text"
            f" --out {DECODING}/test/score_rouge"
        ),
        "compare exp/mini --corpus xsum --out exp/mini/RESULTS.md",
    ]
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
