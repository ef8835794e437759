#!/usr/bin/env bash
# Speech recognition on the English side of MuST-C: the training from which speech translation takes
# its encoder (../st1/run.sh --pretrain_asr true).
#   ./run.sh --mini true                        a small synthetic corpus, minutes on a laptop
#   ./run.sh --must_c /path/to/MUSTC_v1.0       the real one, with the paper's encoder
# ./run.sh --help lists the options.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../TEMPLATE/recipe.sh"

recipe asr must_c MUSTC_v1.0
reader --tgt_lang "{tgt_lang}"
units "{datadir}/en-{tgt_lang}_token_list/src_bpe_{bpemode}{nbpe}_lc.rm_en"
option tgt_lang text de "language pair en-<tgt_lang> of the corpus whose English side to take"
default train_set "train.en-{tgt_lang}"
default valid_set "dev.en-{tgt_lang}"
default test_sets "tst-COMMON.en-{tgt_lang} tst-HE.en-{tgt_lang}"
default text_name text.lc.rm.en
# In small runs, the second value.
default nbpe 5000 150
default asr_config conf/train_asr.yaml ../../../conf/mini/train_asr_mini.yaml
default inference_config conf/decode_asr.yaml ../../../conf/mini/decode_asr_mini.yaml
run_recipe "$@"
