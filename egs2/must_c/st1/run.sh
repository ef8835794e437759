#!/usr/bin/env bash
# Speech translation on MuST-C, from English, from data preparation to BLEU:
#   ./run.sh --mini true                        a small synthetic corpus, minutes on a laptop
#   ./run.sh --must_c /path/to/MUSTC_v1.0       the real one, without the paper's pretraining
#   ./run.sh --must_c /path/to/MUSTC_v1.0 --pretrain_asr true
#                                               the paper's setting: ../asr1 trains the encoder first
#   ./run.sh --mini true --decoder mha          another decoder: mha, mqa, gqa, mla, mtla,
#                                               or ESPnet's own: transformer
# ./run.sh --help lists the options.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../TEMPLATE/recipe.sh"

recipe st must_c MUSTC_v1.0
reader --tgt_lang "{tgt_lang}"
paper --pretrain_asr true
default tgt_lang de
default train_set "train.{src_lang}-{tgt_lang}"
default valid_set "dev.{src_lang}-{tgt_lang}"
default test_sets "tst-COMMON.{src_lang}-{tgt_lang} tst-HE.{src_lang}-{tgt_lang}"
# In small runs, the second value.
default nbpe 8000 300
default st_config conf/train_st.yaml conf/train_st_mini.yaml
default asr_config ../asr1/conf/train_asr.yaml ../../../conf/mini/train_asr_mini.yaml
default inference_config conf/decode_st.yaml conf/decode_st_mini.yaml
run_recipe "$@"
