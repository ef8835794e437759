#!/usr/bin/env bash
# All tables: trains, decodes and compares every variant of the chosen recipes.
#   egs2/reproduce.sh --mini true              small synthetic corpora, on two CPU cores
#   egs2/reproduce.sh --corpora corpora.txt    the real ones: a file of lines "name path", as
#                                              "must_c /path/to/MUSTC_v1.0"
# What was finished is skipped, so the same command goes on where it was stopped. What the real
# corpora need: README.md beside this file. egs2/reproduce.sh --help lists the options.
set -euo pipefail
egs2=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$egs2/TEMPLATE/python.sh"

python=$(any_python "$egs2/..")
PYTHONPATH=$egs2/..${PYTHONPATH:+:$PYTHONPATH} exec "$python" -m espnet_mtla.recipe.reproduce "$egs2" "$@"
