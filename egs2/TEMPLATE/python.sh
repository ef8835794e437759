# A Python to decide with what a run does: nothing need be installed for that. Sourced.
# shellcheck shell=bash

any_python() { # ROOT OPTION...: the one of --python, if it is given
  local root=$1 candidate given='' word
  shift
  for word in "$@"; do
    if [[ $given == next ]]; then given=$word; elif [[ $word == --python ]]; then given=next; fi
    if [[ $word == --python=* ]]; then given=${word#*=}; fi
  done
  for candidate in python3 python3.13 python3.12 "${ESPNET_MTLA_VENV:-$root/.venv}/bin/python" "$given"; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; then
      echo "$candidate" && return
    fi
  done
  "$root/tools/install.sh" >&2 && echo "${ESPNET_MTLA_VENV:-$root/.venv}/bin/python"
}
