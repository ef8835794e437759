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
# not with -m, which would look for modules where the user is
exec "$python" -c 'import sys
sys.path[0] = sys.argv.pop(1)
from espnet_mtla.recipe.reproduce import main
main(sys.argv[1:])' "$egs2/.." "$egs2" "$@"
