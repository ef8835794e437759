# Running one unit of work: log, stamp, one line at its start and at its end. Sourced by recipe.sh.
# A unit is a shell function that says what it does with the four words below. It is called twice:
# first to record what it depends on, then, unless a stamp holds the same record, to do it.
# shellcheck shell=bash disable=SC2154

doing=nothing # or record, or run
record='' outputs=() log='' job='' where=''

# py COMMAND ARGUMENT... [:: ARGUMENT...]: a command of espnet_mtla.bin. What follows "::" cannot
# change the result (processes, devices), so it is no reason to do finished work again.
py() {
  local command=$1 argument counts=true all=()
  shift
  record+=$command$'\n'
  for argument in "$@"; do
    if [[ $argument == :: ]]; then counts=false && continue; fi
    if $counts; then record+=$argument$'\n'; fi
    all+=("$argument")
  done
  if [[ $doing == run ]]; then
    printf '#' && printf ' %q' "${opt[python]}" -m "espnet_mtla.bin.$command" "${all[@]}" && echo
    "${opt[python]}" -m "espnet_mtla.bin.$command" "${all[@]}" || exit
  fi
}

# reads FILE...: the unit depends on what is in these files.
reads() {
  local file
  for file in "$@"; do
    if [[ -r $file ]]; then
      record+="$file $(hash_of <"$file")"$'\n'
    elif [[ $doing == run ]]; then
      echo "error: $file is missing: run the earlier stages first" && exit 1
    fi
  done
}

# after DIR UNIT: the unit depends on an earlier one, whose stamp lies in DIR.
after() { record+="after $2 $(cat "$1/logs/.stage_$2" 2>/dev/null || true)"$'\n'; }

# makes FILE...: what is there afterwards; without it the unit is done again.
makes() { outputs+=("$@"); }

hash_of() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c 1-64; }

say() { echo "stage $unit_number: $*"; }

missing_output() {
  local file
  for file in "${outputs[@]}"; do
    if [[ ! -e $file ]]; then echo "$file" && return; fi
  done
}

# run_unit NUMBER[.PART] TITLE DIR FUNCTION [ARGUMENT...]: log and stamp go to DIR/logs. The stamp
# says "began" or "done", and the hash of the record.
run_unit() {
  local unit=$1 unit_number=${1%%.*} title=$2 dir=$3 key lock status=0 start=$SECONDS stamp
  shift 3
  stamp=$dir/logs/.stage_$unit log=$dir/logs/stage_$unit.log
  where="stage $unit_number ($title)"
  mkdir -p "$dir/logs"
  # Two runs at once (two decoders, say) share their data: the second waits, then finds it done.
  exec {lock}>>"$stamp"
  if command -v flock >/dev/null && ! flock -n "$lock"; then
    say "waiting for another run.sh that is in $title" && flock "$lock"
  fi
  doing=record record='' outputs=()
  "$@"
  key=$(hash_of <<<"$record")
  if ! redone "$unit_number" && [[ $(cat "$stamp") == "done $key" && -z $(missing_output) ]]; then
    say "$title: done already"
    exec {lock}>&-
    return
  fi
  # A training that was cut short goes on, unless it was another one: that is put aside.
  if [[ -e $dir/checkpoint.pth && $(cat "$stamp") != "began $key" ]]; then
    put_aside "$dir" "$stamp"
  fi
  echo "began $key" >"$stamp"
  say "$title ... (log: $log)"
  set -m # a process group of its own, so that an interrupt can end all of it
  (
    doing=run
    "$@"
  ) >"$log" 2>&1 </dev/null &
  job=$!
  set +m
  wait "$job" || status=$?
  job=''
  if ((status)); then unit_failed "$status"; fi
  if [[ -n $(missing_output) ]]; then fail "$where failed: it made no $(missing_output); see $log"; fi
  echo "done $key" >"$stamp"
  exec {lock}>&-
  say "$title: $((SECONDS - start)) s"
  # What data preparation counts and drops is for the user to see.
  if ((unit_number <= 5)); then sed -n '/^#/!s/^/  /p' "$log"; fi
}

put_aside() { # DIR STAMP
  local old its
  old=$(dirname "$1")/.old/$(basename "$1").$(date +%Y%m%d-%H%M%S)
  its=$old/logs/$(basename "$2")
  mkdir -p "$(dirname "$old")" && mv "$1" "$old" && mkdir -p "$1/logs"
  # This run holds the stamp's lock: the same file stays, and what was moved gets a copy.
  ln "$its" "$2" || fail "$where: the model is in $old, but another run.sh has begun: run again"
  cp "$its" "$its.copy" && mv "$its.copy" "$its"
  say "training anew; the model trained before is kept in $old"
}

unit_failed() {
  local reason
  reason=$(grep -aE '(^|[^[:alpha:]])error: |^[[:alnum:]_.]+(Error|Exception)(:|$)' "$log" | tail -n 1 || true)
  if (($1 > 128)); then reason="killed by signal $(($1 - 128))"; fi
  fail "$where failed${reason:+: $reason}; see $log"
}

interrupted() {
  local again='the same command' number=${where#stage }
  trap '' INT TERM HUP
  if [[ -n $job ]]; then
    kill -TERM -- "-$job" 2>/dev/null || true
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
