#!/usr/bin/env bash
# Makes the Python environment: .venv in this repository, or the folder $ESPNET_MTLA_VENV.
# Returns at once when it is complete; can be run again after it was killed.
#   tools/install.sh [--python PATH]
# PATH is a Python 3.12 or 3.13 to build on; without it one is looked for on the PATH, in pyenv and
# uv, and in the folders $PYTHON_PLACES.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${ESPNET_MTLA_VENV:-$root/.venv}
[[ $venv == /* ]] || venv=$PWD/$venv
marker=$venv/.espnet_mtla # written last
log=$venv/install.log
chosen=''

say() { echo "install.sh: $*"; }

fail() {
  say "$*" >&2
  exit 1
}

# usable PYTHON: a name on the PATH is not enough (a pyenv shim may stand for a Python that is not
# there), nor is a version (Debian's has no ensurepip until python3-venv is installed).
usable() {
  "$1" -c '
import sys
if not (3, 12) <= sys.version_info[:2] <= (3, 13): sys.exit(1)
import ensurepip, ssl, venv' >/dev/null 2>&1 </dev/null
}

find_python() {
  local candidate places=${PYTHON_PLACES-/usr/local/bin:/usr/bin:/opt/homebrew/bin:$HOME/miniconda3/bin}
  {
    printf '%s\n' python3.12 python3.13 python3 python
    compgen -G "$(pyenv root 2>/dev/null || echo "$HOME/.pyenv")/versions/3.1[23]*/bin/python" || true
    uv python find --no-project '>=3.12,<3.14' 2>/dev/null || true
    awk -v RS='[:\n]' 'NF { print $0 "/python3.12\n" $0 "/python3.13\n" $0 "/python3" }' <<<"$places"
  } | while read -r candidate; do
    if usable "$candidate"; then
      command -v "$candidate"
      break
    fi
  done || true # a broken pipe, when one is found early
}

make_venv() {
  if [[ -n $chosen ]]; then
    usable "$chosen" || fail "--python: $chosen is no working Python 3.12 or 3.13 (with venv)"
  else
    chosen=$(find_python)
  fi
  [[ -n $chosen ]] || fail "no working Python 3.12 or 3.13 found: install one (apt install" \
    "python3.12-venv, pyenv install 3.12, or uv python install 3.12) or name it with --python PATH"
  say "making $venv with $chosen"
  "$chosen" -m venv --clear "$venv" || fail "could not make $venv"
}

while (($#)); do
  case $1 in
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}" && exit ;;
    --python=?*) chosen=${1#*=} ;;
    --python)
      (($# > 1)) || fail "--python needs a value"
      chosen=$2 && shift
      ;;
    *) fail "unknown option $1: there is --python PATH" ;;
  esac
  shift
done

wanted=$(cat "$root/setup.cfg" "$root/pyproject.toml" | cksum)
if [[ $(cat "$marker" 2>/dev/null) == "$wanted" && -x $venv/bin/python ]]; then
  say "ready: $venv/bin/python"
  exit
fi

if [[ -e $venv && ! -e $venv/pyvenv.cfg && -n $(ls -A "$venv") ]]; then
  fail "$venv is there and no Python environment: move it away, or set ESPNET_MTLA_VENV"
fi
if ! usable "$venv/bin/python"; then
  make_venv
elif [[ -n $chosen ]]; then
  say "$venv is there already: --python is not needed (remove the folder to build on another)"
fi
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null

rm -f "$marker"
say "installing espnet_mtla, ESPnet and PyTorch into $venv: several GB, some minutes (log: $log)"
if ! "$venv/bin/python" -m pip install --progress-bar off \
  --config-settings editable_mode=compat -e "${root}[test]" >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  fail "pip failed (see $log); after mending the cause, run this again"
fi
if ! "$venv/bin/python" -c "import espnet2, espnet_mtla, torch, torchaudio" >>"$log" 2>&1; then
  tail -n 5 "$log" >&2
  fail "the packages are installed but cannot be imported (see $log)"
fi
echo "$wanted" >"$marker"
say "ready: $venv/bin/python"
