#!/usr/bin/env bash
# Speech recognition on AMI's headset microphones, from data preparation to WER:
#   ./run.sh --mini true                 a small synthetic corpus, minutes on a laptop
#   ./run.sh --ami /path/to/ami          the real one (annotations and amicorpus), on fbank
#   ./run.sh --ami /path/to/ami --asr_config conf/train_asr_wavlm.yaml --feats_normalize none
#                                        the paper's features, WavLM-Large (extra s3prl)
# ./run.sh --help lists the options.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../TEMPLATE/recipe.sh"

recipe asr ami ami
paper --asr_config conf/train_asr_wavlm.yaml --feats_normalize none
default train_set ihm_train
default valid_set ihm_dev
# In small runs, the second value.
default test_sets "ihm_eval ihm_dev" ihm_eval
default nbpe 100
default bpemode bpe
default asr_config conf/train_asr.yaml ../../../conf/mini/train_asr_mini.yaml
default inference_config conf/decode_asr.yaml ../../../conf/mini/decode_asr_mini.yaml
run_recipe "$@"
