# Running the units of work of a recipe's stages. Sourced by recipe.sh.
# shellcheck shell=bash disable=SC2154

job='' where=''

# unit NUMBER[.PART] TITLE FOLDER WORD...: espnet_mtla/recipe/unit.py says what the words are.
unit() {
  where="stage ${1%%.*} ($2)"
  run_job "${opt[python]}" -m espnet_mtla.recipe.unit "$@"
}

# run_job COMMAND...: in the background, since Bash ends no command that it waits for.
run_job() {
  "$@" </dev/null &
  job=$!
  wait "$job" || exit
  job=''
}

interrupted() {
  local again='the same command' number=${where#stage }
  trap '' INT TERM HUP
  if [[ -n $job ]]; then
    kill -TERM "$job" 2>/dev/null || true
    wait "$job" 2>/dev/null || true
  fi
  # The same --stage would do again what was finished since.
  if [[ -v option_given[stage] && -n $where ]]; then again="--stage ${number%% *}"; fi
  # One that another run.sh has called leaves the word to that.
  if [[ ! -v run_by ]]; then echo "run.sh: interrupted${where:+ in $where}; $again goes on from that stage" >&2; fi
  exit "$1"
}
trap 'interrupted 130' INT
trap 'interrupted 143' TERM HUP
