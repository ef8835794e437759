#!/usr/bin/env bash
# Spoken language understanding on SLURP, from data preparation to intent accuracy and SLU-F1:
#   ./run.sh --mini true                        a small synthetic corpus, minutes on a laptop
#   ./run.sh --slurp /path/to/slurp             the real one, with the paper's model
#   ./run.sh --slurp /path/to/slurp --entities true   intent, entities and transcript
#   ./run.sh --mini true --decoder mha          another decoder: mha, mqa, gqa, mla, mtla,
#                                               or ESPnet's own: transformer
# ./run.sh --help lists the options.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../TEMPLATE/recipe.sh"

recipe slu slurp slurp
default train_set train
default valid_set devel
default test_sets test
# In small runs, the second value.
default nbpe 500 150
default bpemode bpe unigram
default slu_config conf/train_slu.yaml conf/train_slu_mini.yaml
default inference_config conf/decode_slu.yaml conf/decode_slu_mini.yaml
run_recipe "$@"
