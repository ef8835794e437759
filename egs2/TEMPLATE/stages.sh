# What each stage does, with ESPnet's numbers: one block a stage, the commands that it runs.
#   unit NUMBER[.PART] TITLE FOLDER WORD...
#
# plans a unit of work with its log in FOLDER/logs; espnet_mtla/recipe/run.py runs it, if it is not
# done. Behind `@runs` and `@trains` is a command of espnet_mtla/bin, behind `@free` arguments that do
# not change what comes out, behind `@reads`, `@finds`, `@model` and `@also` what it depends on, behind
# `@makes` and `@needs` what is there afterwards; unit.py says more. `--dry_run true` prints commands.
# shellcheck shell=bash

# What espnet_mtla/recipe/names.py settles.
task='' corpus='' corpus_dir='' prepared='' unperturbed='' raw='' input='' redo_from=''
experiment='' pretraining='' model='' chosen_model='' decoding='' scorer='' score_dir=''
decoder_config='' inference_ngpu='' lm='' lm_model='' lm_stats=''
declare -A opt=() text_file=() units=() nbpe=() normalization=()
declare -a texts=() vocabularies=() speech=() factors=() sets=() test_sets=() reader_opts=()
declare -a data=() data_reads=() asr_data=() asr_reads=() pretrained=() decoder_conf=() train_args=()
declare -a several_gpus=() batch_args=() inference_args=() score_args=() check_args=()
declare -a lm_args=() lm_train=() lm_valid=() lm_reads=() fusion=() fused_model=()

planned() { printf '%s\0' "$#" "$@"; }
unit() { planned unit "$@"; }
note() { planned note "$@"; } # NUMBER TEXT: what is said of a stage without work

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

# files_of TEXT FOLDER: sets `files` to the training texts there that share its units.
files_of() {
  local text
  files=()
  for text in "${texts[@]}"; do
    if [[ ${units[$text]} == "${units[$1]}" ]]; then files+=("$2/${text_file[$text]}"); fi
  done
}

plan() {
  local datadir=${opt[datadir]} dump=${opt[dumpdir]} exp=${opt[expdir]}
  local train=${opt[train_set]} valid=${opt[valid_set]} set text out files mini=() made=()
  planned start "${opt[python]}" "${opt[num_threads]}" "$redo_from" "${opt[dry_run]}" "${check_args[@]}"

  if wanted 1; then
    if [[ ${opt[mini]} == true ]]; then
      mini=(@runs make_mini --corpus "$corpus" --out "$corpus_dir" --num_train "${opt[num_train]}"
        --num_dev "${opt[num_dev]}" --num_test "${opt[num_test]}" --seed 1 @free --nj "${opt[nj]}")
    fi
    for set in "$unperturbed" "$valid" "${test_sets[@]}"; do
      if [[ $set != "$train" || $set == "$unperturbed" ]]; then
        made+=("$datadir/$set/${input%%,*}" "$datadir/$set/${text_file[text]}")
      fi
    done
    unit "$prepared" "data preparation" "$datadir" "${mini[@]}" \
      @runs "prepare_$corpus" --corpus "$corpus_dir" "${reader_opts[@]}" --out "$datadir" @needs "${made[@]}"
    for text in "${vocabularies[@]}"; do
      if ((!${#speech[@]})); then break; fi # stage 5 comes next
      files_of "$text" "$datadir/$unperturbed"
      unit "$prepared.${units[$text]##*/}" "whether there are so many units of $text" "$datadir" @reads "${files[@]}" \
        @runs tokens --text "${files[@]}" --nbpe "${nbpe[$text]}" --bpemode "${opt[bpemode]}" \
        ${normalization[$text]:+--normalization "${normalization[$text]}"}
    done
  fi

  if ((!${#speech[@]})) && wanted 2; then note "2-4" "speech: there is none"; fi

  if ((${#speech[@]})) && wanted 2; then
    if ((${#factors[@]})); then
      unit 2 "speed perturbation" "$datadir" @reads "$datadir/$unperturbed" \
        @runs perturb_speed --data "$datadir/$unperturbed" --factors "${factors[@]}" --out "$datadir/$train" \
        @makes "$datadir/$train/wav.scp"
    else
      note 2 "speed perturbation: not asked for (--speed_perturb_factors)"
    fi
  fi

  if ((${#speech[@]})) && wanted 3; then
    for set in "${sets[@]}"; do
      out=$raw/$set
      if [[ $set == "$train" || $set == "$valid" ]]; then out=$raw/org/$set; fi # stage 4 filters it
      unit "3.$set" "format $set" "$dump" @reads "$datadir/$set" \
        @runs format_wav_scp --data "$datadir/$set" --out "$out" --fs "${opt[fs]}" --audio_format "${opt[audio_format]}" \
        @free --nj "${opt[nj]}" @makes "$out/wav.scp"
    done
  fi

  if ((${#speech[@]})) && wanted 4; then
    for set in "$train" "$valid"; do
      unit "4.$set" "filter $set" "$dump" @reads "$raw/org/$set" \
        @runs filter_data --data "$raw/org/$set" --out "$raw/$set" \
        --min_wav_duration "${opt[min_wav_duration]}" --max_wav_duration "${opt[max_wav_duration]}" \
        @makes "$raw/$set/wav.scp"
    done
  fi

  if wanted 5; then
    for text in "${vocabularies[@]}"; do
      files_of "$text" "$raw/$train"
      if ((!${#speech[@]})); then files_of "$text" "$datadir/$train"; fi
      unit 5 "units of $text" "${units[$text]}" @reads "${files[@]}" \
        @runs tokens --text "${files[@]}" --nbpe "${nbpe[$text]}" --bpemode "${opt[bpemode]}" \
        ${normalization[$text]:+--normalization "${normalization[$text]}"} --out "${units[$text]}" @makes "${units[$text]}/tokens.txt" "${units[$text]}/bpe.model"
    done
    for set in "${sets[@]}"; do
      if ((${#speech[@]})); then break; fi
      unit "5.$set" "cut $set" "$dump" @reads "$datadir/$set" "${units[text]}/bpe.model" \
        @runs cut_text --data "$datadir/$set" --bpemodel "${units[text]}/bpe.model" --max_units "${opt[max_units]}" \
        --out "$raw/$set" @makes "$raw/$set/src_text"
    done
  fi

  if [[ ${opt[use_lm]} == false ]] && wanted 6; then note "6-8" "language model: not asked for (--use_lm true)"; fi

  if [[ ${opt[use_lm]} == true ]] && wanted 6; then
    files=(--bpemodel "${units[text]}/bpe.model" --token_list "${units[text]}/tokens.txt")
    unit 6 "text of the language model" "$lm_stats" @reads "${lm_reads[@]}" "${units[text]}/bpe.model" \
      @runs lm_stats "${lm_train[@]}" "${files[@]}" --out "$lm_stats/train" \
      @runs lm_stats "${lm_valid[@]}" "${files[@]}" --out "$lm_stats/valid" \
      @makes "$lm_stats"/{train,valid}/{text,text_shape.bpe}
  fi

  if [[ ${opt[use_lm]} == true ]] && wanted 7; then
    unit 7 "training of the language model" "$lm" @reads "$lm_stats"/{train,valid}/{text,text_shape.bpe} \
      "${units[text]}/tokens.txt" "${units[text]}/bpe.model" \
      @trains lm_train --config "${opt[lm_config]}" --token_list "${units[text]}/tokens.txt" \
      --bpemodel "${units[text]}/bpe.model" --token_type bpe \
      --train_data_path_and_name_and_type "$lm_stats/train/text,text,text" --train_shape_file "$lm_stats/train/text_shape.bpe" \
      --valid_data_path_and_name_and_type "$lm_stats/valid/text,text,text" --valid_shape_file "$lm_stats/valid/text_shape.bpe" \
      --output_dir "$lm" --seed "${opt[seed]}" --resume true "${lm_args[@]}" \
      @free --ngpu "${opt[ngpu]}" "${several_gpus[@]}" @makes "$lm/config.yaml"
  fi

  if [[ ${opt[use_lm]} == true ]] && wanted 8; then
    set=${test_sets[0]} text=$(tested "${test_sets[0]}")/${text_file[text]}
    unit "8.$set" "perplexity of $set" "$lm/perplexity_$set" @reads "$text" @model "${fused_model[@]}" \
      @runs lm_perplexity --data_path_and_name_and_type "$text,text,text" \
      --train_config "$lm/config.yaml" --model_file "$lm_model" --output_dir "$lm/perplexity_$set" \
      @free --ngpu "$inference_ngpu" @makes "$lm/perplexity_$set/ppl" \
      @shows "$lm/perplexity_$set/ppl" "stage 8: perplexity of $set: {} a unit"
  fi

  if wanted 9; then note 9 "n-gram language model: not used by this recipe"; fi

  if wanted 10; then note 10 "statistics: not used by this recipe"; fi

  if [[ -n $pretraining ]] && wanted 11; then
    unit 11 pretraining "$pretraining" @once @reads "${asr_reads[@]}" \
      @trains asr_train --config "${opt[asr_config]}" --config ../../../conf/decoder/mtla.yaml "${asr_data[@]}" \
      --output_dir "$pretraining" --seed "${opt[seed]}" --resume true \
      @free --ngpu "${opt[ngpu]}" "${several_gpus[@]}" @makes "$pretraining/config.yaml"
  fi

  if wanted 11; then
    unit 11 training "$experiment" @reads "${data_reads[@]}" \
      @trains "${task}_train" --config "${opt[${task}_config]}" --config "$decoder_config" "${data[@]}" \
      "${pretrained[@]}" "${decoder_conf[@]}" --output_dir "$experiment" --seed "${opt[seed]}" --resume true \
      "${train_args[@]}" @free --ngpu "${opt[ngpu]}" "${several_gpus[@]}" \
      @makes "$experiment/config.yaml" # not the model: a mistyped name must not train again
  fi

  if wanted 12; then
    for set in "${test_sets[@]}"; do
      unit "12.$set" "decoding $set" "$decoding" @reads "$(tested "$set")" "${opt[inference_config]}" \
        @model "$chosen_model" "$experiment" "$model" "${fused_model[@]}" @also "threads ${opt[num_threads]}" \
        @runs "${task}_inference" --config "${opt[inference_config]}" "${batch_args[@]}" --ngpu "$inference_ngpu" \
        --data_path_and_name_and_type "$(tested "$set")/$input" --"${task}_train_config" "$experiment/config.yaml" \
        --"${task}_model_file" "$experiment/$model" "${fusion[@]}" --output_dir "$decoding/$set" "${inference_args[@]}" \
        @makes "$decoding/$set/text" "$decoding/$set/efficiency.json"
    done
  fi

  if wanted 13; then
    files=()
    for set in "${test_sets[@]}"; do
      text=$(tested "$set")/${text_file[text]}
      files+=(@reads "$text" "$decoding/$set/text" "$decoding/$set/efficiency.json"
        @runs "$scorer" --ref "$text" --hyp "$decoding/$set/text" "${score_args[@]}" --out "$decoding/$set/$score_dir"
        @makes "$decoding/$set/$score_dir/result.json")
    done
    unit 13 scoring "$decoding" "${files[@]}"
    unit 13.table comparison "$exp" @finds "$exp" "${task}_*/*/*/$score_dir/result.json" \
      @runs compare "$exp" --corpus "$corpus" --out "$exp/RESULTS.md" \
      @makes "$exp/RESULTS.md" @shows "$exp/RESULTS.md"
  fi
  planned end
}
