#!/usr/bin/env bash
# Summarisation on XSum, text to text, from data preparation to ROUGE:
#   ./run.sh --mini true                        a small synthetic corpus, minutes on a laptop
#   ./run.sh --xsum /path/to/xsum               the real one, with the paper's model
#   ./run.sh --mini true --decoder mha          another decoder: mha, mqa, gqa, mla, mtla,
#                                               or ESPnet's own: transformer
# ./run.sh --help lists the options.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../TEMPLATE/recipe.sh"

recipe mt xsum xsum
default train_set train
default valid_set validation
default test_sets test
default bpemode bpe
# In small runs, the second value.
default nbpe 30000 600
default mt_config conf/train_sum.yaml conf/train_sum_mini.yaml
default inference_config conf/decode_sum.yaml conf/decode_sum_mini.yaml
run_recipe "$@"
