# Command line options, declared once: parsed, checked and printed by --help from the same lines.
# Sourced by recipe.sh. Values are never evaluated as shell code.
# shellcheck shell=bash

declare -A opt=() option_kind=() option_default=() option_mini=() option_help=() option_given=()
declare -a option_names=()

fail() {
  echo "run.sh: $*" >&2
  exit 1
}

# option NAME KIND DEFAULT HELP. KIND is text, int, count (at least 1), number, bool, path (a file the user names) or a
# choice of words, as "flac|wav".
# "{other}" in a default stands for the value of --other.
option() {
  option_names+=("$1")
  option_kind[$1]=$2
  option_default[$1]=$3
  option_help[$1]=$4
}

# default NAME VALUE [VALUE_WITH_MINI]: what a recipe sets differently.
default() {
  [[ -v option_kind[$1] ]] || fail "this recipe sets a default for --$1, which is no option"
  option_default[$1]=$2
  if (($# > 2)); then option_mini[$1]=$3; fi
}

# words NAME VALUE: an array of a value's words, on however many lines they stand.
words() { read -rd '' -a "$1" <<<"$2" || true; }

print_help() {
  local name value
  for name in "${option_names[@]}"; do
    value=${option_default[$name]}
    if [[ -v option_mini[$name] ]]; then value+="; with --mini true: ${option_mini[$name]}"; fi
    printf '  --%-20s %s%s\n' "$name" "${option_help[$name]}" "${value:+ ($value)}"
  done
}

# nearest WORD CANDIDATE...: the candidate with the smallest edit distance, if it is small enough;
# two letters that changed places are one edit. Of equally near ones, the first as long as the word.
nearest() {
  printf '%s\n' "$@" | awk '
    function min(a, b) { return a < b ? a : b }
    NR == 1 { word = $0; n = length(word); best = (n < 6 ? 2 : n / 3) + 0.5; next }
    {
      for (i = 0; i <= n; i++) edits[i, 0] = i
      for (j = 1; j <= length($0); j++) {
        edits[0, j] = j
        for (i = 1; i <= n; i++) {
          cost = edits[i - 1, j - 1] + (substr(word, i, 1) != substr($0, j, 1))
          cost = min(cost, min(edits[i - 1, j], edits[i, j - 1]) + 1)
          if (i > 1 && j > 1 && substr(word, i - 1, 2) == substr($0, j, 1) substr($0, j - 1, 1))
            cost = min(cost, edits[i - 2, j - 2] + 1)
          edits[i, j] = cost
        }
      }
      far = edits[n, length($0)]
      if (far < best || (far == best && length($0) == n && length(found) != n)) { best = far; found = $0 }
    }
    END { print found }'
}

# one_of WHAT NAME KNOWN...: refuses a name that is not known.
one_of() {
  local what=$1 name=$2 near
  shift 2
  if [[ " $* " == *" $name "* ]]; then return; fi
  near=$(nearest "$name" "$@")
  if [[ -n $near ]]; then near=" (did you mean '$near'?)"; fi
  fail "$what '$name'$near; there are: $*"
}

check_value() {
  local name=$1 value=$2
  case ${option_kind[$name]} in
    bool) [[ $value == true || $value == false ]] || fail "--$name is true or false, not '$value'" ;;
    int) [[ $value =~ ^(0|[1-9][0-9]*)$ ]] || fail "--$name is a whole number, not '$value'" ;;
    *"|"*) [[ "|${option_kind[$name]}|" == *"|$value|"* ]] || fail "--$name is ${option_kind[$name]//"|"/ or }, not '$value'" ;;
    count) [[ $value =~ ^[1-9][0-9]*$ ]] || fail "--$name is a whole number of at least 1, not '$value'" ;;
    number) [[ $value =~ ^[0-9]+(\.[0-9]+)?$ ]] || fail "--$name is a number, not '$value'" ;;
  esac
}

# parse_options ARGUMENT...: fills opt[NAME] and option_given[NAME].
parse_options() {
  local name value near
  while (($#)); do
    case $1 in
      -h | --help) print_usage && exit 0 ;;
      --?*) name=${1%%=*} && name=${name#--} ;;
      *) fail "'$1' is not an option: options are --name value (see --help)" ;;
    esac
    if [[ ! -v option_kind[$name] ]]; then
      near=$(nearest "$name" "${option_names[@]}")
      fail "unknown option --$name: ${near:+did you mean --$near? }see --help"
    fi
    if [[ $1 == *=* ]]; then
      value=${1#*=}
    else
      # An option's name in the place of the value means that the value was forgotten.
      value=${2-} && value=${value%%=*}
      if (($# < 2)) || [[ $value == --* && -v option_kind[${value#--}] ]]; then
        fail "--$name needs a value"
      fi
      value=$2 && shift
    fi
    shift
    check_value "$name" "$value"
    opt[$name]=$value
    option_given[$name]=true
  done
  set_defaults
}

default_of() {
  if [[ ${opt[mini]} == true && -v option_mini[$1] ]]; then
    echo "${option_mini[$1]}"
  else
    echo "${option_default[$1]}"
  fi
}

# resolved VALUE: with the values of the options that it names in braces.
resolved() {
  local value=$1 other
  while [[ $value =~ \{([a-z_]+)\} ]]; do
    other=${BASH_REMATCH[1]}
    value=${value//"{$other}"/${opt[$other]}}
  done
  echo "$value"
}

set_defaults() {
  local name
  opt[mini]=${opt[mini]:-${option_default[mini]}}
  for name in "${option_names[@]}"; do
    if [[ ! -v option_given[$name] ]]; then opt[$name]=$(default_of "$name"); fi
  done
  for name in "${option_names[@]}"; do
    if [[ ! -v option_given[$name] && ${opt[$name]} == *"{"* ]]; then opt[$name]=$(resolved "${opt[$name]}"); fi
  done
}
