# What each stage does, with ESPnet's numbers: one block a stage, the commands that it runs. Sourced
# by recipe.sh; its variables are settled by espnet_mtla/recipe/settings.py and tasks.py.
# shellcheck shell=bash disable=SC2034,SC2154

# wanted NUMBER: between --stage and --stop_stage, and not skipped.
wanted() {
  local skip
  case $1 in [1-5]) skip=data_prep ;; 12 | 13) skip="eval" ;; *) skip=train ;; esac
  (($1 >= opt[stage] && $1 <= opt[stop_stage])) && [[ ${opt[skip_$skip]} == false ]]
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

run_stages() {
  local data=${opt[datadir]} dump=${opt[dumpdir]} train=${opt[train_set]} valid=${opt[valid_set]}
  local set text part file args more reads texts_from=$raw/${opt[train_set]}

  if wanted 1; then
    args=()
    if [[ ${opt[mini]} == true ]]; then
      args=(@runs make_mini --corpus "$corpus" --out "$corpus_dir" --num_train "${opt[num_train]}"
        --num_dev "${opt[num_dev]}" --num_test "${opt[num_test]}" --seed 1 @free --nj "${opt[nj]}")
    fi
    unit "$prepared" "data preparation" "$data" "${args[@]}" \
      @runs "prepare_$corpus" --corpus "$corpus_dir" "${data_opts[@]}" "${local_data_opts[@]}" --out "$data" \
      @makes "$data/$unperturbed/${input%%,*}" "$data/$valid/${input%%,*}"
  fi

  if ((${#speech[@]})); then
    speech_stages
  elif wanted 2; then
    echo "stages 2-4: speech: there is none"
  fi

  if wanted 5; then
    if ! ((${#speech[@]})); then texts_from=$data/$train; fi
    for text in "${vocabularies[@]}"; do
      args=()
      for file in "${texts[@]}"; do
        if [[ ${units[$file]} == "${units[$text]}" ]]; then args+=("$texts_from/${text_file[$file]}"); fi
      done
      more=()
      if [[ $text == text ]]; then more=("${token_args[@]}"); fi
      unit 5 "units of $text" "${units[$text]}" @reads "${args[@]}" \
        @runs tokens --text "${args[@]}" --nbpe "${nbpe[$text]}" --bpemode "${opt[bpemode]}" "${more[@]}" --out "${units[$text]}" \
        @makes "${units[$text]}/tokens.txt" "${units[$text]}/bpe.model"
    done
    if ! ((${#speech[@]})); then
      for set in "$train" "$valid" "${test_sets[@]}"; do
        unit "5.$set" "cut $set" "$dump" @reads "$data/$set" "${units[text]}/bpe.model" \
          @runs cut_text --data "$data/$set" --bpemodel "${units[text]}/bpe.model" --max_units "${opt[max_units]}" \
          --out "$raw/$set" @makes "$raw/$set/src_text"
      done
    fi
  fi

  language_model_stages

  if wanted 9; then echo "stage 9: n-gram language model: not used by this recipe"; fi
  if wanted 10; then echo "stage 10: statistics: not used by this recipe"; fi

  if wanted 11 && [[ ${opt[pretrain_asr]-false} == true ]]; then pretrain; fi

  if wanted 11; then
    args=()
    for text in "${texts[@]}"; do
      args+=(--"${prefix[$text]}token_list" "${units[$text]}/tokens.txt"
        --"${prefix[$text]}bpemodel" "${units[$text]}/bpe.model" --"${prefix[$text]}token_type" bpe)
    done
    reads=("${units[@]/%//tokens.txt}" "${units[@]/%//bpe.model}" ${opt[pretrained_asr]:+"${opt[pretrained_asr]}"})
    for part in train valid; do
      set=$raw/${opt[${part}_set]}
      for file in "${speech[@]%%,*}" "${shapes[@]}"; do reads+=("$set/$file"); done
      for text in "${texts[@]}"; do reads+=("$set/${text_file[$text]}"); done
      for file in "${speech[@]}"; do args+=("--${part}_data_path_and_name_and_type" "$set/$file"); done
      for file in "${shapes[@]}"; do args+=("--${part}_shape_file" "$set/$file"); done
      for text in "${texts[@]}"; do
        args+=("--${part}_data_path_and_name_and_type" "$set/${text_file[$text]},$text,text")
      done
    done
    if [[ -n ${opt[pretrained_asr]-} ]]; then
      args+=(--init_param "${opt[pretrained_asr]}:encoder:encoder" "${pretrained_args[@]}")
    fi
    unit 11 training "$experiment" @reads "${reads[@]}" \
      @trains "${task}_train" --config "${opt[${task}_config]}" --config "$decoder_config" "${args[@]}" \
      "${decoder_conf[@]}" "${speech_args[@]}" --output_dir "$experiment" --seed "${opt[seed]}" --resume true \
      "${train_args[@]}" @free --ngpu "${opt[ngpu]}" "${several_gpus[@]}" \
      @makes "$experiment/config.yaml" # not the model: a mistyped name must not train again
  fi

  if wanted 12; then
    for set in "${test_sets[@]}"; do
      unit "12.$set" "decoding $set" "$decoding" @reads "$(tested "$set")" "${opt[inference_config]}" \
        @model "${option_given[inference_${task}_model]:+inference_${task}_model}" "$experiment" "$model" "${fused_model[@]}" \
        @also "threads $OMP_NUM_THREADS" \
        @runs "${task}_inference" --config "${opt[inference_config]}" "${batch_args[@]}" --ngpu "$inference_ngpu" \
        --data_path_and_name_and_type "$(tested "$set")/$input" --"${task}_train_config" "$experiment/config.yaml" \
        --"${task}_model_file" "$experiment/$model" "${fusion[@]}" --output_dir "$decoding/$set" "${inference_args[@]}" \
        @makes "$decoding/$set/text" "$decoding/$set/efficiency.json"
    done
  fi

  if wanted 13; then
    args=()
    for set in "${test_sets[@]}"; do
      file=$(tested "$set")/${text_file[text]}
      args+=(@reads "$file" "$decoding/$set/text" "$decoding/$set/efficiency.json"
        @runs "$scorer" --ref "$file" --hyp "$decoding/$set/text" "${score_args[@]}" --out "$decoding/$set/$score_dir"
        @makes "$decoding/$set/$score_dir/result.json")
    done
    unit 13 scoring "$decoding" "${args[@]}"
    unit 13.table comparison "${opt[expdir]}" @reads "${opt[expdir]}/${task}_"*/*/*/"$score_dir"/result.json \
      @runs compare "${opt[expdir]}" --corpus "$corpus" --out "${opt[expdir]}/RESULTS.md" \
      @makes "${opt[expdir]}/RESULTS.md"
    cat "${opt[expdir]}/RESULTS.md"
  fi
}

speech_stages() {
  local data=${opt[datadir]} dump=${opt[dumpdir]} train=${opt[train_set]} valid=${opt[valid_set]} set out formatted=''

  if wanted 2 && ((${#factors[@]})); then
    unit 2 "speed perturbation" "$data" @reads "$data/$unperturbed" \
      @runs perturb_speed --data "$data/$unperturbed" --factors "${factors[@]}" --out "$data/$train" \
      @makes "$data/$train/wav.scp"
  elif wanted 2; then
    echo "stage 2: speed perturbation: not asked for (--speed_perturb_factors)"
  fi

  if wanted 3; then
    for set in "$train" "$valid" "${test_sets[@]}"; do
      out=$raw/org/$set # stage 4 filters it; a test set stays as it is
      if [[ ! ($set == "$train" || $set == "$valid") ]]; then
        out=$raw/$set
      elif [[ " $formatted " == *" $set "* ]]; then
        continue # it is a test set besides
      fi
      formatted+=" $set"
      unit "3.$set" "format $set" "$dump" @reads "$data/$set" \
        @runs format_wav_scp --data "$data/$set" --out "$out" --fs "${opt[fs]}" --audio_format "${opt[audio_format]}" \
        @free --nj "${opt[nj]}" @makes "$out/wav.scp"
    done
  fi

  if wanted 4; then
    for set in "$train" "$valid"; do
      unit "4.$set" "filter $set" "$dump" @reads "$raw/org/$set" \
        @runs filter_data --data "$raw/org/$set" --out "$raw/$set" \
        --min_wav_duration "${opt[min_wav_duration]}" --max_wav_duration "${opt[max_wav_duration]}" \
        @makes "$raw/$set/wav.scp"
    done
  fi
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
  exec {indented}> >(trap '' INT TERM HUP && exec sed 's/^/  /')
  name=$!
  run_job env run_by=run.sh ./asr.sh "${options[@]}" >&"$indented"
  exec {indented}>&-
  wait "$name"
}

language_model_stages() {
  local set=${test_sets[0]} part args
  local with=(--bpemodel "${units[text]}/bpe.model" --token_list "${units[text]}/tokens.txt")
  if [[ ${opt[use_lm]} == false ]]; then
    if wanted 6; then echo "stages 6-8: language model: not asked for (--use_lm true)"; fi
    return
  fi

  if wanted 6; then
    unit 6 "text of the language model" "$lm_stats" @reads "${lm_reads[@]}" "${units[text]}/bpe.model" \
      @runs lm_stats "${lm_train[@]}" "${with[@]}" --out "$lm_stats/train" \
      @runs lm_stats "${lm_valid[@]}" "${with[@]}" --out "$lm_stats/valid" \
      @makes "$lm_stats"/{train,valid}/{text,text_shape.bpe}
  fi

  if wanted 7; then
    args=()
    for part in train valid; do
      args+=("--${part}_data_path_and_name_and_type" "$lm_stats/$part/text,text,text"
        "--${part}_shape_file" "$lm_stats/$part/text_shape.bpe")
    done
    unit 7 "training of the language model" "$lm" @reads "$lm_stats"/{train,valid}/{text,text_shape.bpe} \
      "${units[text]}/tokens.txt" "${units[text]}/bpe.model" \
      @trains lm_train --config "${opt[lm_config]}" --token_list "${units[text]}/tokens.txt" \
      --bpemodel "${units[text]}/bpe.model" --token_type bpe "${args[@]}" --output_dir "$lm" \
      --seed "${opt[seed]}" --resume true "${lm_args[@]}" @free --ngpu "${opt[ngpu]}" "${several_gpus[@]}" \
      @makes "$lm/config.yaml"
  fi

  if wanted 8; then
    unit "8.$set" "perplexity of $set" "$lm/perplexity_$set" @reads "$(tested "$set")/${text_file[text]}" \
      @model "${fused_model[@]}" \
      @runs lm_perplexity --data_path_and_name_and_type "$(tested "$set")/${text_file[text]},text,text" \
      --train_config "$lm/config.yaml" --model_file "$lm_model" --output_dir "$lm/perplexity_$set" \
      @free --ngpu "$inference_ngpu" @makes "$lm/perplexity_$set/ppl"
    echo "stage 8: perplexity of $set: $(cat "$lm/perplexity_$set/ppl") a unit"
  fi
}
