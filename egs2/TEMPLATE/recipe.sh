# The stages that all recipes share, numbered as ESPnet's. A run.sh sources this file, then says
#   recipe TASK CORPUS FOLDER   what it is: ESPnet's task, the corpus, its folder's name on a disk
#   option NAME KIND DEFAULT HELP      an option that it has besides
#   default NAME VALUE [MINI]   where it differs
#   run_recipe "$@"
# What options there are, what they may be and what follows from them, names and folders, is decided
# by espnet_mtla/recipe. What the stages do: stages.sh; how their work is logged, skipped or redone:
# stage.sh.
# shellcheck shell=bash

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  echo "run.sh: needs bash 4.4 or newer, this is $BASH_VERSION" >&2
  exit 1
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
started_in=$PWD
. "$root/egs2/TEMPLATE/python.sh"
. "$root/egs2/TEMPLATE/stage.sh"
. "$root/egs2/TEMPLATE/stages.sh"

fail() {
  echo "run.sh: $*" >&2
  exit 1
}

declared=()
recipe() { task=$1 corpus=$2 corpus_folder=$3; }
option() { local IFS=$'\x1f' && declared+=("option"$'\x1f'"$*"); }
default() { local IFS=$'\x1f' && declared+=("default"$'\x1f'"$*"); }

# What espnet_mtla/recipe settles.
declare -A opt=() option_given=() text_file=() units=() nbpe=() prefix=()
declare -a factors=() test_sets=() train_args=() inference_args=() local_data_opts=() batch_args=()
declare -a decoder_conf=() data_opts=() token_args=() pretrained_args=() speech_args=() score_args=()
threads=1 # a process
declare -a texts=() vocabularies=() speech=() shapes=() several_gpus=() fusion=() fused_model=()
declare -a lm_args=() lm_train=() lm_valid=() lm_reads=()

settle() { # OPTION...
  local name value reader
  reader=$(any_python "$root" "$@") || exit
  exec 4>&1
  while IFS= read -rd '' name && IFS= read -rd '' value; do
    printf -v "$name" %s "$value"
  done < <(PYTHONPATH=$root "$reader" -m espnet_mtla.recipe.settle "$task" "$corpus" "$corpus_folder" \
    "$started_in" "${declared[@]}" -- "$@" 3>&1 >&4)
  wait "$!" || exit
  exec 4>&-
  if ((!${#opt[@]})); then exit 0; fi # --help
}

# The Python of all stages. tools/install.sh is done at once when the environment is complete; its
# last line says where it is.
prepare_python() {
  export RECIPE_REDO_FROM=${option_given[stage]:+${opt[stage]}}
  export OMP_NUM_THREADS=$threads PYTHONUNBUFFERED=1 PYTHONUTF8=1 TQDM_DISABLE=1
  export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
  if [[ -z ${opt[python]} ]]; then
    opt[python]=$(cd "$started_in" && "$root/tools/install.sh" | while IFS= read -r line; do
      case $line in
        *": ready: "*) echo "${line#*: ready: }" ;;
        *) echo "$line" >&2 ;;
      esac
    done)
  fi
  export RECIPE_PYTHON=${opt[python]}
}

# What training and decoding would refuse is refused now, not after an hour of data preparation.
check_recipe() {
  local problem args=(--task "$task" --config "${opt[${task}_config]}" --config "$decoder_config")
  if ! wanted 11 && ! wanted 12; then return; fi
  if [[ $task == st ]]; then args+=(--tgt_lang "${opt[tgt_lang]}"); fi
  args+=(--train_args="${opt[${task}_args]}" --inference_config "${opt[inference_config]}"
    --inference_args="${opt[inference_args]}")
  if [[ ${opt[use_lm]} == true ]]; then args+=(--lm_config "${opt[lm_config]}" --lm_args="${opt[lm_args]}"); fi
  problem=$("${opt[python]}" -m espnet_mtla.bin.check_recipe "${args[@]}" "${decoder_conf[@]}" \
    2>&1 >/dev/null) || fail "$(tail -n 1 <<<"$problem")"
}

run_recipe() {
  cd "$(dirname "${BASH_SOURCE[1]}")" || exit
  settle "$@"
  prepare_python
  check_recipe
  run_stages
  exit 0 # a run.sh that was edited meanwhile is not read on
}
