"""What the driver does for summarisation, text to text (see conftest.py)."""

import pytest

EXP = "exp/mini/mt_train_sum_mini_mtla"
DECODING = f"{EXP}/decode_sum_mini_mt_model_valid.acc.ave"
PIPELINE = (
    ["make_mini", "prepare_xsum", "tokens"]
    + ["cut_text"] * 3
    + ["mt_train", "mt_inference", "score_sum", "compare"]
)


@pytest.fixture
def xsum(recipe_class, tmp_path):
    return recipe_class(tmp_path, "xsum/sum1")


def test_from_articles_to_rouge(xsum):
    done = xsum.ok("--ngpu", "0")
    assert xsum.commands == PIPELINE
    assert xsum.call("prepare_xsum") == (
        "prepare_xsum --corpus data/mini/downloads/xsum --out data/mini"
    )
    units = "data/mini/token_list/bpe_bpe600"
    assert xsum.call("tokens") == (
        "tokens --text data/mini/train/text data/mini/train/src_text"
        f" --nbpe 600 --bpemode bpe --out {units}"
    )
    for nth, part in enumerate(("train", "validation", "test")):
        assert xsum.call("cut_text", nth) == (
            f"cut_text --data data/mini/{part} --bpemodel {units}/bpe.model"
            f" --max_units 1024 --out dump/mini/raw/{part}"
        )
    train, dev = "dump/mini/raw/train", "dump/mini/raw/validation"
    assert xsum.call("mt_train") == " ".join(
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
    assert xsum.call("mt_inference") == (
        "mt_inference --config conf/decode_sum_mini.yaml --ngpu 0"
        " --data_path_and_name_and_type dump/mini/raw/test/src_text,src_text,text"
        f" --mt_train_config {EXP}/config.yaml --mt_model_file {EXP}/valid.acc.ave.pth"
        f" --output_dir {DECODING}/test"
    )
    assert xsum.call("score_sum") == (
        f"score_sum --ref dump/mini/raw/test/text --hyp {DECODING}/test/text"
        f" --out {DECODING}/test/score_rouge"
    )
    assert xsum.call("compare") == (
        "compare exp/mini --corpus xsum --out exp/mini/RESULTS.md"
    )
    assert "stages 2-4: speech: there is none" in done.stdout


def test_the_real_corpus(xsum, tmp_path):
    corpus = tmp_path / "xsum"
    corpus.mkdir()
    xsum.ok("--xsum", corpus, mini=False)
    assert xsum.commands == PIPELINE[1:]
    assert xsum.call("prepare_xsum") == f"prepare_xsum --corpus {corpus} --out data"
    assert "--nbpe 30000 --bpemode bpe " in xsum.call("tokens")
    assert "--config conf/train_sum.yaml" in xsum.call("mt_train")
    assert "--config conf/decode_sum.yaml" in xsum.call("mt_inference")


def test_a_rerun_does_what_changed_and_no_more(xsum):
    xsum.ok()
    done = xsum.ok()
    assert xsum.calls == [] and done.stdout.count("done already") == 9
    xsum.ok("--decoder", "mha")
    assert xsum.commands == PIPELINE[PIPELINE.index("mt_train") :]
    xsum.ok("--max_units", "100")
    assert xsum.commands == PIPELINE[PIPELINE.index("cut_text") :]
    assert f"--output_dir {EXP}_max_units100 " in xsum.call("mt_train")
    xsum.ok("--nbpe", "90")
    assert xsum.commands == PIPELINE[PIPELINE.index("tokens") :]


@pytest.mark.parametrize(
    "option", ["pretrained_asr", "fs", "speed_perturb_factors", "feats_normalize"]
)
def test_there_are_no_options_for_speech(xsum, option):
    line = xsum.refused(f"--{option}", "1")
    assert line.startswith(f"run.sh: unknown option --{option}")
