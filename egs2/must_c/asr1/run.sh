#!/usr/bin/env bash
# Speech recognition on the English side of MuST-C: the training from which speech translation takes
# its encoder (../st1/run.sh --pretrain_asr true).
#   ./run.sh --mini true                        a small synthetic corpus, minutes on a laptop
#   ./run.sh --must_c /path/to/MUSTC_v1.0       the real one, with the paper's encoder
# ./run.sh --help lists the options.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../TEMPLATE/recipe.sh"

recipe asr must_c MUSTC_v1.0
option tgt_lang text de "language pair en-<tgt_lang> of the corpus whose English side to take"
default train_set "train.en-{tgt_lang}"
default valid_set "dev.en-{tgt_lang}"
default test_sets "tst-COMMON.en-{tgt_lang} tst-HE.en-{tgt_lang}"
default text_name text.lc.rm.en
# With --mini true, the second value. These files are found from ../st1 too, where asr.sh is this file.
default nbpe 5000 150
default asr_config ../asr1/conf/train_asr.yaml ../../librispeech/asr1/conf/train_asr_mini.yaml
default inference_config ../asr1/conf/decode_asr.yaml ../../librispeech/asr1/conf/decode_asr_mini.yaml
default datadir data data/mini
default dumpdir dump dump/mini
default expdir exp exp/mini
run_recipe "$@"
