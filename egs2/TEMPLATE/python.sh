# A Python to decide with what a run does: nothing need be installed for that. Sourced.
# shellcheck shell=bash

any_python() { # ROOT
  local candidate
  for candidate in python3 python3.13 python3.12 "${ESPNET_MTLA_VENV:-$1/.venv}/bin/python"; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1; then
      echo "$candidate" && return
    fi
  done
  echo "needs a Python of 3.9 or newer, and found none" >&2
  return 1
}
