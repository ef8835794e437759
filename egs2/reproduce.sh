#!/usr/bin/env bash
# All tables: trains, decodes and compares every variant of the chosen recipes.
#   egs2/reproduce.sh --mini true              small synthetic corpora, on two CPU cores
#   egs2/reproduce.sh --corpora corpora.txt    the real ones: a file of lines "name path", as
#                                              "must_c /path/to/MUSTC_v1.0"
# What was finished is skipped, so the same command goes on where it was stopped. What the real
# corpora need: README.md beside this file.
set -euo pipefail
egs2=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$egs2/TEMPLATE/options.sh"

fail() {
  echo "reproduce.sh: $*" >&2
  exit 1
}

option mini bool false "make and use small synthetic corpora"
option corpora text "" "file that says where the real corpora are, a line \"name path\" each"
option recipes text "must_c/st1 xsum/sum1 ami/asr1 slurp/slu1" "recipes"
option decoders text "mha mqa gqa mla mtla mtla:temporal_stride=3 mtla:temporal_stride=4" \
  "decoders, with options as in mha:context=cross or mla:q_lora_rank=64,kv_lora_rank=128"
option seeds text 1 "seeds of training, as in \"1 2 3\": the tables have mean and spread of the scores"
option run_args text "" \
  "further options of every run.sh, as in \"--ngpu 4 --nj 16\"; no value of theirs can hold spaces"

print_usage() {
  echo "Usage: reproduce.sh --mini true | --corpora FILE [--name value ...]"
  print_help
}

declare -A corpus_path=()
read_corpora() { # FILE
  local line name path number=0
  if [[ ! -f $1 ]]; then fail "--corpora: no such file: $1"; fi
  while IFS= read -r line || [[ -n $line ]]; do
    number=$((number + 1))
    read -r name path <<<"${line%$'\r'}"
    if [[ -z $name || $name == "#"* ]]; then continue; fi
    if [[ -z $path ]]; then fail "$1:$number: '$name' has no path: write \"name path\""; fi
    one_of "$1:$number: no corpus" "$name" "${known_corpora[@]}"
    if [[ -v corpus_path[$name] ]]; then fail "$1:$number: $name occurs a second time"; fi
    if [[ ! -e $path ]]; then fail "$1:$number: no such file or folder: $path"; fi
    corpus_path[$name]=$path
  done <"$1"
}

# Before any work: what run.sh refuses itself, as an option that it does not know, comes later.
check_options() {
  local recipe decoder known arg
  if [[ ${opt[mini]} == false && -z ${opt[corpora]} ]]; then
    fail "which corpora? give --mini true for small synthetic ones, or --corpora FILE for the real ones"
  elif [[ ${opt[mini]} == true && -n ${opt[corpora]} ]]; then
    fail "give either --mini true or --corpora, not both"
  fi
  words recipes "${opt[recipes]}"
  words decoders "${opt[decoders]}"
  words seeds "${opt[seeds]}"
  words run_args "${opt[run_args]}"
  if ((!${#recipes[@]} || !${#decoders[@]} || !${#seeds[@]})); then
    fail "--recipes, --decoders and --seeds: name at least one"
  fi
  for arg in "${seeds[@]}"; do
    [[ $arg =~ ^(0|[1-9][0-9]*)$ ]] || fail "--seeds: '$arg' is no whole number"
  done
  for arg in "${run_args[@]}"; do
    if [[ ${arg%%=*} == --stage ]]; then stage_given=true; fi
    if [[ ${arg%%=*} == --expdir ]]; then fail "--run_args: leave out --expdir: tables are looked for in the recipes' exp"; fi
    if [[ ${arg%%=*} == --seed ]]; then fail "--run_args: give --seeds in the place of --seed"; fi
  done
  mapfile -t known < <(cd "$egs2" && printf '%s\n' */*/run.sh | sed 's|/run\.sh$||')
  mapfile -t known_corpora < <(printf '%s\n' "${known[@]%/*}" | uniq)
  for recipe in "${recipes[@]}"; do one_of "--recipes: no recipe" "$recipe" "${known[@]}"; done
  mapfile -t known < <(cd "$egs2/../conf/decoder" && printf '%s\n' *.yaml | sed 's/\.yaml$//')
  for decoder in "${decoders[@]}"; do one_of "--decoders: no decoder" "${decoder%%:*}" "${known[@]}"; done
  if [[ ${opt[mini]} == true ]]; then return; fi
  read_corpora "${opt[corpora]}"
  for recipe in "${recipes[@]}"; do
    if [[ ! -v corpus_path[${recipe%/*}] ]]; then
      fail "--corpora: ${opt[corpora]} has no line for ${recipe%/*}, which $recipe needs"
    fi
  done
}

# With which options a recipe's run on its real corpus is the paper's.
as_the_paper() { # RECIPE
  case $1 in
    must_c/st1) echo --pretrain_asr true ;;
    ami/asr1) echo --asr_config conf/train_asr_wavlm.yaml --feats_normalize none ;;
  esac
}

run_variant() { # RECIPE DECODER SEED
  local corpus=${1%/*} args=(--mini true) status=0 conf
  if [[ ${opt[mini]} == false ]]; then
    read -ra args <<<"$(as_the_paper "$1")"
    args+=("--$corpus" "${corpus_path[$corpus]}")
  fi
  args+=(--decoder "${2%%:*}")
  if [[ $2 == *:* ]]; then
    conf=${2#*:}
    args+=(--decoder_args "${conf//,/ }")
  fi
  echo "== $1 $2, seed $3"
  "$egs2/$1/run.sh" "${args[@]}" --seed "$3" "${run_args[@]}" </dev/null &
  child=$!
  wait "$child" || status=$?
  child=''
  if ((status)); then failed+=("$1 $2, seed $3"); fi
}

stopped() {
  trap '' INT TERM HUP
  if [[ -n $child ]]; then
    kill -TERM "$child" 2>/dev/null || true
    wait "$child" || true
  fi
  echo "reproduce.sh: interrupted; the same command goes on${stage_given:+, and does --stage again}" >&2
  exit "$1"
}

child='' stage_given='' failed=()
trap 'stopped 130' INT
trap 'stopped 143' TERM HUP
parse_options "$@"
check_options
results=exp/RESULTS.md
if [[ ${opt[mini]} == true ]]; then results=exp/mini/RESULTS.md; fi
for recipe in "${recipes[@]}"; do
  # One that fails is no reason not to try the others. All decoders with one seed come before the
  # next seed, so that what was stopped can be compared.
  for seed in "${seeds[@]}"; do
    for decoder in "${decoders[@]}"; do run_variant "$recipe" "$decoder" "$seed"; done
  done
done
for recipe in "${recipes[@]}"; do
  echo "== $recipe: $egs2/$recipe/$results"
  for variant in "${failed[@]}"; do
    if [[ $variant == "$recipe "* ]]; then echo "failed now, its row is of an earlier run, if it has one: ${variant#* }"; fi
  done
  if [[ -e $egs2/$recipe/$results ]]; then cat "$egs2/$recipe/$results"; fi
done
if ((${#failed[@]})); then
  fail "failed:$(printf ' %s;' "${failed[@]}") the same command tries them again"
fi
