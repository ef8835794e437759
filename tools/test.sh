#!/usr/bin/env bash
# All checks: formatting, types, shell scripts, tests. Arguments go to pytest, as in
#   tools/test.sh -k decoder
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/tools/install.sh"
bin=${ESPNET_MTLA_VENV:-$root/.venv}/bin
[[ $bin == /* ]] || bin=$PWD/$bin
cd "$root"
# Small tensors: threads would only get in each other's way, processes do not.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

failed=()
"$bin/ruff" check . || failed+=("ruff check")
"$bin/ruff" format --check . || failed+=("ruff format")
"$bin/mypy" || failed+=(mypy)
mapfile -t scripts < <(find .ci/run bench egs2 test tools -type f \( -name '*.sh' -o -path .ci/run \) \
  -not -path '*/data/*' -not -path '*/dump/*' -not -path '*/exp/*')
"$bin/shellcheck" -x -P SCRIPTDIR "${scripts[@]}" || failed+=(shellcheck)
"$bin/python" -m pytest -n 2 --dist loadfile "$@" || failed+=(pytest)
if ((${#failed[@]})); then
  echo "test.sh: failed:$(printf ' %s;' "${failed[@]}")" >&2
  exit 1
fi
