#!/usr/bin/env bash
# Everything that needs a GPU: tests of the parts for it, then the benchmarks, one JSON each.
#   bench/gpu.sh [FOLDER]     results go to FOLDER (bench/results of this tree)
# A Python with the package's requirements has to be first on the PATH. A benchmark whose JSON is
# in FOLDER is not run again; one that fails is named at the end, and the others run.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if (($# > 1)) || [[ ${1-} == -* ]]; then
  echo "usage: bench/gpu.sh [FOLDER]" >&2
  exit 2
fi
if ! python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
  echo "gpu.sh: needs a GPU, and a Python on the PATH whose PyTorch finds it" >&2
  exit 1
fi
out=${1:-$root/bench/results}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit
cd "$root" || exit
failed=()

# measure NAME MODULE [OPTIONS]
measure() {
  local name=$1 module=$2
  shift 2
  if [[ ! -e $out/$name.json ]]; then
    echo "== $name"
    python -m "bench.$module" --device cuda "$@" --output "$out/$name.json" || failed+=("$name")
  fi
}

export PYTHONUNBUFFERED=1
echo "== tests"
TRITON_INTERPRET=0 python -m pytest test/espnet_mtla/attention/kernel_cases.py || failed+=(kernels)
python -m pytest test/espnet_mtla/decoder/test_graph.py || failed+=(graphs)
measure decode-paper-st-cuda-bfloat16 decode --preset paper-st --dtype bfloat16
measure train-cuda-bfloat16 train --dtype bfloat16
measure train-attention-cuda-bfloat16 train --dtype bfloat16 --attention --prompts 500 2000
measure decode-paper-st-cuda-float32 decode --preset paper-st
if ((${#failed[@]})); then
  echo "gpu.sh: failed: ${failed[*]}" >&2
  exit 1
fi
