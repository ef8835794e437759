#!/usr/bin/env bash
# Speech recognition on LibriSpeech, from data preparation to WER:
#   ./run.sh --mini true                            a small synthetic corpus, minutes on a laptop
#   ./run.sh --librispeech /path/to/LibriSpeech     the real one, with ESPnet's Conformer encoder
#   ./run.sh --librispeech /path/to/LibriSpeech --asr_config conf/train_asr_transformer.yaml
#   ./run.sh --mini true --decoder mha              another decoder: mha, mqa, gqa, mla, mtla,
#                                                   or ESPnet's own: transformer
# ./run.sh --help lists the options.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../TEMPLATE/recipe.sh"

recipe asr librispeech LibriSpeech
# In small runs, the second value.
default train_set train_960 train_clean_100
default valid_set dev dev_clean
default test_sets "test_clean test_other dev_clean dev_other" "test_clean test_other"
default speed_perturb_factors "0.9 1.0 1.1" ""
default nbpe 5000 150
default asr_config conf/train_asr_conformer.yaml ../../../conf/mini/train_asr_mini.yaml
default inference_config conf/decode_asr.yaml ../../../conf/mini/decode_asr_mini.yaml
run_recipe "$@"
