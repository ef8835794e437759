# What each stage does, with ESPnet's numbers. Sourced by recipe.sh, whose variables it uses.
# Finished units leave stamps beside what they made: in the data, dump, experiment and decoding
# folders.
# shellcheck shell=bash disable=SC2034,SC2154

prepare() { # stage 1
  if [[ ${opt[mini]} == true ]]; then
    py make_mini --corpus "$corpus" --out "$corpus_dir" --num_train "${opt[num_train]}" \
      --num_dev "${opt[num_dev]}" --num_test "${opt[num_test]}" --seed 1 :: --nj "${opt[nj]}"
  fi
  py "prepare_$corpus" --corpus "$corpus_dir" "${data_opts[@]}" "${local_data_opts[@]}" \
    --out "${opt[datadir]}"
  makes "${opt[datadir]}/$unperturbed/${input%%,*}" "${opt[datadir]}/${opt[valid_set]}/${input%%,*}"
}

perturb() { # stage 2
  after "${opt[datadir]}" "$prepared"
  py perturb_speed --data "${opt[datadir]}/$unperturbed" --factors "${factors[@]}" \
    --out "${opt[datadir]}/${opt[train_set]}"
  makes "${opt[datadir]}/${opt[train_set]}/wav.scp"
}

format() { # stage 3: SET FOLDER
  after "${opt[datadir]}" "$prepared"
  if [[ $1 != "$unperturbed" && $1 == "${opt[train_set]}" ]]; then after "${opt[datadir]}" 2; fi
  py format_wav_scp --data "${opt[datadir]}/$1" --out "$2/$1" --fs "${opt[fs]}" \
    --audio_format "${opt[audio_format]}" :: --nj "${opt[nj]}"
  makes "$2/$1/wav.scp"
}

# tested SET: the folder in which it is decoded and scored. Training and validation sets are
# filtered; where one of them is tested too, all of it is.
tested() {
  if ((${#speech[@]})) && [[ $1 == "${opt[train_set]}" || $1 == "${opt[valid_set]}" ]]; then
    echo "$raw/org/$1"
  else
    echo "$raw/$1"
  fi
}

filter() { # stage 4: SET
  after "${opt[dumpdir]}" "3.$1"
  py filter_data --data "$raw/org/$1" --out "$raw/$1" \
    --min_wav_duration "${opt[min_wav_duration]}" --max_wav_duration "${opt[max_wav_duration]}"
  makes "$raw/$1/wav.scp"
}

make_tokens() { # stage 5: TEXT
  local text from=$raw/${opt[train_set]} files=() args=()
  if [[ $1 == text ]]; then args=("${token_args[@]}"); fi
  if ((${#speech[@]})); then
    after "${opt[dumpdir]}" "4.${opt[train_set]}"
  else
    after "${opt[datadir]}" "$prepared"
    from=${opt[datadir]}/${opt[train_set]}
  fi
  for text in "${texts[@]}"; do
    if [[ ${units[$text]} == "${units[$1]}" ]]; then files+=("$from/${text_file[$text]}"); fi
  done
  py tokens --text "${files[@]}" --nbpe "${nbpe[$1]}" --bpemode "${opt[bpemode]}" \
    "${args[@]}" --out "${units[$1]}"
  makes "${units[$1]}/tokens.txt" "${units[$1]}/bpe.model"
}

cut_articles() { # stage 5, without speech: SET
  after "${opt[datadir]}" "$prepared"
  after "${units[text]}" 5
  py cut_text --data "${opt[datadir]}/$1" --bpemodel "${units[text]}/bpe.model" \
    --max_units "${opt[max_units]}" --out "$raw/$1"
  makes "$raw/$1/src_text"
}

# asr.sh is ../asr1/run.sh by a link: run in this folder it shares the data, and its own stamps say
# what is left to do.
pretrain() { # before stage 11
  local name options=(--stop_stage=11 --asr_tag="$pretraining")
  options+=(--train_set="$unperturbed" --nbpe="${opt[src_nbpe]}")
  for name in mini "$corpus" tgt_lang num_train num_dev num_test local_data_opts datadir dumpdir \
    expdir valid_set test_sets audio_format fs speed_perturb_factors min_wav_duration \
    max_wav_duration bpemode feats_normalize seed nj ngpu python; do
    options+=("--$name=${opt[$name]}")
  done
  where="stage 11 (pretraining)"
  echo "stage 11: pretraining: the stages of ./asr.sh"
  set -m # as in run_unit; it outlives an interrupt until ./asr.sh has ended
  (
    trap : TERM
    run_by=run.sh ./asr.sh "${options[@]}" </dev/null | (trap '' TERM && exec sed 's/^/  /')
  ) &
  job=$!
  set +m
  wait "$job" || exit
  job=''
}

train_model() { # stage 11
  local text file part set args=() gpu_args=()
  if ((opt[ngpu] > 1)); then gpu_args=(--multiprocessing_distributed true); fi
  for set in "${opt[train_set]}" "${opt[valid_set]}"; do after "${opt[dumpdir]}" "$trained_from.$set"; done
  for text in "${vocabularies[@]}"; do after "${units[$text]}" 5; done
  reads "${opt[${task}_config]}" "$decoder_config"
  args=(--config "${opt[${task}_config]}" --config "$decoder_config")
  for text in "${texts[@]}"; do
    args+=(--"${prefix[$text]}token_list" "${units[$text]}/tokens.txt"
      --"${prefix[$text]}bpemodel" "${units[$text]}/bpe.model" --"${prefix[$text]}token_type" bpe)
  done
  for part in train valid; do
    set=$raw/${opt[${part}_set]}
    for file in "${speech[@]}"; do args+=("--${part}_data_path_and_name_and_type" "$set/$file"); done
    for file in "${shapes[@]}"; do args+=("--${part}_shape_file" "$set/$file"); done
    for text in "${texts[@]}"; do
      args+=("--${part}_data_path_and_name_and_type" "$set/${text_file[$text]},$text,text")
    done
  done
  if [[ -n ${opt[pretrained_asr]-} ]]; then
    reads "${opt[pretrained_asr]}"
    args+=(--init_param "${opt[pretrained_asr]}:encoder:encoder" "${pretrained_args[@]}")
  fi
  py "${task}_train" "${args[@]}" "${decoder_conf[@]}" "${speech_args[@]}" --output_dir "$experiment" \
    --seed "${opt[seed]}" --resume true "${train_args[@]}" \
    :: --ngpu "${opt[ngpu]}" "${gpu_args[@]}"
  makes "$experiment/config.yaml" # not the model: a mistyped name must not train again
}

models_of() { (cd "$1" && find . -name '*.pth' ! -name checkpoint.pth | sed 's/^..//' | sort | xargs); }

decode() { # stage 12: SET
  local gpu=0
  if [[ ${opt[gpu_inference]} == true ]]; then gpu=1; fi
  after "${opt[dumpdir]}" "$decoded_from.$1"
  if [[ -e $experiment/config.yaml && ! -e $experiment/$model ]]; then
    if [[ ! -v option_given[inference_${task}_model] ]]; then
      fail "$experiment has no $model: its training (stage 11) is not finished"
    fi
    fail "--inference_${task}_model: $experiment has no $model; its models: $(models_of "$experiment")"
  fi
  reads "$experiment/config.yaml" "$experiment/$model" "${opt[inference_config]}"
  # seconds are compared
  record+="threads $OMP_NUM_THREADS"$'\n'
  fuse
  py "${task}_inference" --config "${opt[inference_config]}" "${batch_args[@]}" \
    --ngpu "$gpu" --data_path_and_name_and_type "$(tested "$1")/$input" \
    --"${task}_train_config" "$experiment/config.yaml" \
    --"${task}_model_file" "$experiment/$model" "${fusion[@]}" --output_dir "$decoding/$1" "${inference_args[@]}"
  makes "$decoding/$1/text" "$decoding/$1/efficiency.json"
}

score() { # stage 13
  local set ref
  for set in "${test_sets[@]}"; do
    ref=$(tested "$set")/${text_file[text]}
    reads "$ref" "$decoding/$set/text" "$decoding/$set/efficiency.json"
    py "$scorer" --ref "$ref" --hyp "$decoding/$set/text" "${score_args[@]}" --out "$decoding/$set/$score_dir"
    makes "$decoding/$set/$score_dir/result.json"
  done
}

tabulate() { # stage 13, of all that was scored
  reads "${opt[expdir]}/${task}_"*/*/*/"$score_dir"/result.json
  py compare "${opt[expdir]}" --corpus "$corpus" --out "${opt[expdir]}/RESULTS.md"
  makes "${opt[expdir]}/RESULTS.md"
}

# wanted NUMBER: between --stage and --stop_stage, and not skipped.
wanted() {
  local skip
  case $1 in [1-5]) skip=data_prep ;; 12 | 13) skip="eval" ;; *) skip=train ;; esac
  (($1 >= opt[stage] && $1 <= opt[stop_stage])) && [[ ${opt[skip_$skip]} == false ]]
}

# redone NUMBER: --stage was given, so that even a finished stage is done again.
redone() { [[ -v option_given[stage] ]] && (($1 >= opt[stage])); }

run_speech_stages() {
  local data=${opt[datadir]} dump=${opt[dumpdir]} train=${opt[train_set]} valid=${opt[valid_set]} set
  if wanted 2 && ((${#factors[@]})); then
    run_unit 2 "speed perturbation" "$data" perturb
  elif wanted 2; then
    echo "stage 2: speed perturbation: not asked for (--speed_perturb_factors)"
  fi
  if wanted 3; then
    for set in "$train" "$valid"; do run_unit "3.$set" "format $set" "$dump" format "$set" "$raw/org"; done
    for set in "${test_sets[@]}"; do
      if [[ $(tested "$set") == "$raw/$set" ]]; then run_unit "3.$set" "format $set" "$dump" format "$set" "$raw"; fi
    done
  fi
  if wanted 4; then
    for set in "$train" "$valid"; do run_unit "4.$set" "filter $set" "$dump" filter "$set"; done
  fi
}

run_stages() {
  local data=${opt[datadir]} dump=${opt[dumpdir]} train=${opt[train_set]} valid=${opt[valid_set]} set text
  if wanted 1; then run_unit "$prepared" "data preparation" "$data" prepare; fi
  if ((${#speech[@]})); then
    run_speech_stages
  elif wanted 2; then
    echo "stages 2-4: speech: there is none"
  fi
  if wanted 5; then
    for text in "${vocabularies[@]}"; do run_unit 5 "units of $text" "${units[$text]}" make_tokens "$text"; done
    if ! ((${#speech[@]})); then
      for set in "$train" "$valid" "${test_sets[@]}"; do run_unit "5.$set" "cut $set" "$dump" cut_articles "$set"; done
    fi
  fi
  lm_stages
  if wanted 9; then echo "stage 9: n-gram language model: not used by this recipe"; fi
  if wanted 10; then echo "stage 10: statistics: not used by this recipe"; fi
  if wanted 11 && [[ ${opt[pretrain_asr]-false} == true ]]; then pretrain; fi
  if wanted 11; then run_unit 11 training "$experiment" train_model; fi
  if wanted 12; then
    for set in "${test_sets[@]}"; do run_unit "12.$set" "decoding $set" "$decoding" decode "$set"; done
  fi
  if wanted 13; then
    run_unit 13 scoring "$decoding" score
    run_unit 13.table comparison "${opt[expdir]}" tabulate
    cat "${opt[expdir]}/RESULTS.md"
  fi
}
