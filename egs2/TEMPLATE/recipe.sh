# The stages that all recipes share, numbered as ESPnet's. A run.sh sources this file, then says
#   recipe TASK CORPUS FOLDER   what it is: ESPnet's task, the corpus, its folder's name on a disk
#   default NAME VALUE [MINI]   where it differs
#   run_recipe "$@"
# Here: its options, and what follows from them. What tasks differ in: tasks.sh; what the stages do:
# stages.sh; how their work is logged, skipped or redone: stage.sh; how options are read: options.sh;
# the language model: lm.sh.
# shellcheck shell=bash

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  echo "run.sh: needs bash 4.4 or newer, this is $BASH_VERSION" >&2
  exit 1
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
started_in=$PWD
. "$root/egs2/TEMPLATE/options.sh"
. "$root/egs2/TEMPLATE/stage.sh"
. "$root/egs2/TEMPLATE/tasks.sh"
. "$root/egs2/TEMPLATE/lm.sh"
. "$root/egs2/TEMPLATE/stages.sh"

recipe() {
  task=$1 corpus=$2 corpus_folder=$3
  option mini bool false "make a small synthetic corpus in $corpus_folder's layout and use it"
  option "$corpus" path "" "the real corpus: the folder $corpus_folder"
  option decoder text mtla "decoder: a file of the folder conf/decoder"
  option decoder_args text "" "its options, as in \"temporal_stride=4\""
  option stage int 1 "first stage; what is finished from there on is done again"
  option stop_stage int 13 "last stage"
  option skip_data_prep bool false "skip stages 1-5"
  option skip_train bool false "skip stages 6-11"
  option skip_eval bool false "skip stages 12-13"
  option ngpu int "" "GPUs to train with, 0 for none (if not given: 1 where there is one)"
  option gpu_inference bool "" "decode on a GPU (if not given: as --ngpu)"
  option nj count "" "processes for data preparation (if not given: one a core)"
  option num_threads count "" "threads a process (if not given: OMP_NUM_THREADS, or one a core)"
  option python path "" "Python with espnet_mtla (if not given: the one of tools/install.sh)"
  option datadir text data "data directories and token lists"
  option dumpdir text dump "formatted audio and texts"
  option expdir text exp "models and results"
  option num_train count 4000 "utterances of the mini corpus: training"
  option num_dev count 150 "utterances of the mini corpus: validation"
  option num_test count 200 "utterances of the mini corpus: test (a second test set has a quarter)"
  option local_data_opts text "" "further options of prepare_$corpus"
  option train_set text "" "training set"
  option valid_set text "" "validation set"
  option test_sets text "" "test sets"
  option nbpe count 8000 "units"
  option bpemode "unigram|bpe|char" unigram "sentencepiece's model type"
  option "${task}_config" path "" "training configuration"
  option "${task}_args" text "" "further options of training, as in \"--max_epoch 8\""
  option "${task}_tag" text "" "name of the experiment (if not given: made from the options)"
  option seed int 1 "seed of training"
  option inference_config path "" "decoding configuration"
  option inference_args text "" "further options of decoding, as in \"--beam_size 10\""
  option inference_tag text "" "name of the decoding (if not given: made from the options)"
  option "inference_${task}_model" text valid.acc.ave.pth "which model of the experiment to decode"
  option batch_size count "" "most utterances decoded together (if not given: what the configuration says)"
  task_options
  lm_options
}

print_usage() {
  echo "Usage: run.sh --mini true | --$corpus PATH [--name value ...]"
  echo "Folders are relative to $PWD; paths of what is there already, also to where you are."
  print_help
}

# tidy WORD...: the words as part of a file name.
tidy() { local IFS=_ && tr -d '=' <<<"${*//--/}" | tr -c '[:alnum:]._\n-' _; }

# differing NAME...: those of these options that were given another value than the default, as part
# of a name: what they tell apart stands beside each other.
differing() {
  local name
  for name in "$@"; do
    if [[ -v option_given[$name] && ${opt[$name]} != "$(resolved "$(default_of "$name")")" ]]; then
      printf '_%s%s' "$name" "$(tidy "${opt[$name]}")"
    fi
  done
}

cores() { (unset OMP_NUM_THREADS && nproc 2>/dev/null) || getconf _NPROCESSORS_ONLN; }

gpus() { if nvidia-smi -L >/dev/null 2>&1; then echo 1; else echo 0; fi; }

# Everything that can be refused is refused here, before any work.
check_options() {
  local name file argument
  if [[ -z ${opt[$corpus]} && ${opt[mini]} == false ]]; then
    fail "which corpus? give --mini true for a small synthetic one, or --$corpus PATH for the real one"
  elif [[ -n ${opt[$corpus]} && ${opt[mini]} == true ]]; then
    fail "give either --mini true or --$corpus, not both"
  elif [[ ${opt[pretrain_asr]-false} == true && -n ${opt[pretrained_asr]} ]]; then
    fail "give either --pretrain_asr true or --pretrained_asr, not both"
  fi
  for name in "${option_names[@]}"; do
    if [[ ${option_kind[$name]} != path || -z ${opt[$name]} ]]; then continue; fi
    file=${opt[$name]}
    # A path may be relative to where the user is, or, as ESPnet's, to the recipe.
    if [[ -v option_given[$name] && $file != /* && -e $started_in/$file ]]; then file=$started_in/$file; fi
    if [[ $name == python ]]; then
      file=$(command -v -- "$file" || true)
      if [[ -z $file ]]; then fail "--python: cannot run ${opt[python]}"; fi
    fi
    if [[ ! -e $file ]]; then fail "--$name: no such file or folder: $file"; fi
    # The default, written in another way, is no other file.
    if [[ $file -ef $(default_of "$name") ]]; then file=$(default_of "$name"); fi
    opt[$name]=$file
  done
  ((opt[stage] <= opt[stop_stage])) ||
    fail "nothing to do: --stage ${opt[stage]} comes after --stop_stage ${opt[stop_stage]}"
  mapfile -t decoders < <(cd ../../../conf/decoder && printf '%s\n' *.yaml | sed 's/\.yaml$//')
  one_of "no decoder" "${opt[decoder]}" "${decoders[@]}"
  decoder_config=../../../conf/decoder/${opt[decoder]}.yaml
  decoder_conf=()
  words decoder_args "${opt[decoder_args]}"
  for argument in "${decoder_args[@]}"; do
    [[ $argument =~ ^[a-z_]+=.+$ ]] || fail "--decoder_args: '$argument' is not name=value"
    decoder_conf+=(--decoder_conf "$argument")
  done
  if [[ ${opt[mini]} == true && ${opt[tgt_lang]-de} != de ]]; then
    fail "--tgt_lang ${opt[tgt_lang]}: the mini corpus is English to German"
  fi
  check_lm
  words factors "${opt[speed_perturb_factors]-}"
  for argument in "${factors[@]}"; do
    [[ $argument =~ ^[0-9]+(\.[0-9]+)?$ ]] || fail "--speed_perturb_factors: '$argument' is not a number"
  done
}

# short_enough FOLDER OPTION: whether a file system takes the name, with a date behind it too.
short_enough() {
  local LC_ALL=C name=${1##*/}
  if ((${#name} > 230)); then fail "a folder's name would have ${#name} bytes: give it a shorter one with --$2"; fi
}

# What depends on the machine, and where things go.
settle() {
  local config=${opt[${task}_config]} tag differs
  differs=$(differing tgt_lang train_set local_data_opts nbpe src_nbpe tgt_nbpe bpemode max_units \
    entities feats_normalize speed_perturb_factors seed)
  prepared=1${opt[tgt_lang]+.${opt[tgt_lang]}} # the unit of stage 1
  unperturbed=${opt[train_set]}
  if ((${#factors[@]})); then opt[train_set]+=_sp; fi
  words test_sets "${opt[test_sets]}"
  if ((!${#test_sets[@]})); then fail "--test_sets: name at least one"; fi
  words train_args "${opt[${task}_args]}"
  words inference_args "${opt[inference_args]}"
  batch_args=()
  if [[ -n ${opt[batch_size]} ]]; then batch_args=(--batch_size "${opt[batch_size]}"); fi
  words local_data_opts "${opt[local_data_opts]}"
  opt[ngpu]=${opt[ngpu]:-$(gpus)}
  if [[ -z ${opt[gpu_inference]} ]]; then
    opt[gpu_inference]=$( ((opt[ngpu])) && echo true || echo false)
  fi
  opt[nj]=${opt[nj]:-$(cores)}
  corpus_dir=${opt[$corpus]:-${opt[datadir]}/downloads/$corpus_folder}
  raw=${opt[dumpdir]}/raw
  if [[ ${opt[pretrain_asr]-false} == true ]]; then
    pretraining=pretraining$differs
    opt[pretrained_asr]=${opt[expdir]}/asr_$pretraining/valid.acc.ave.pth
  fi
  tag=$(tidy "$(basename "$config" .yaml)" "${opt[decoder]}" "${decoder_args[@]}" "${train_args[@]}")$differs
  if [[ -n ${opt[pretrained_asr]-} ]]; then tag+=_pretrained; fi
  experiment=${opt[expdir]}/${task}_${opt[${task}_tag]:-$tag}
  model=${opt[inference_${task}_model]}
  tag=$(tidy "$(basename "${opt[inference_config]}" .yaml)" "${batch_args[@]}" "${inference_args[@]}")
  settle_lm
  decoding=$experiment/${opt[inference_tag]:-$tag${lm_tag}_${task}_model_${model%.pth}}
  short_enough "$experiment" "${task}_tag"
  short_enough "$decoding" inference_tag
  export OMP_NUM_THREADS=${opt[num_threads]:-${OMP_NUM_THREADS:-$(cores)}}
  export PYTHONUNBUFFERED=1 PYTHONUTF8=1 TQDM_DISABLE=1
  export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
  if [[ -z ${opt[python]} ]]; then
    # Done at once when the environment is complete; its last line says where the Python is.
    opt[python]=$(cd "$started_in" && "$root/tools/install.sh" | while IFS= read -r line; do
      case $line in
        *": ready: "*) echo "${line#*: ready: }" ;;
        *) echo "$line" >&2 ;;
      esac
    done)
  fi
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
  parse_options "$@"
  check_options
  describe_task
  settle
  check_recipe
  run_stages
  exit 0 # a run.sh that was edited meanwhile is not read on
}
