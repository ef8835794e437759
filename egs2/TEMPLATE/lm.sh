# The language model: stages 6-8, and its part in decoding. Sourced by recipe.sh.
# It has the units of the model it is fused with, and the training texts of any decoder: all share it.
# shellcheck shell=bash disable=SC2154,SC2034

lm_text() { # stage 6
  # Not the perturbed set, which repeats its texts.
  local train=(--text "${opt[datadir]}/$unperturbed/${text_file[text]}")
  local valid=(--text "${opt[datadir]}/${opt[valid_set]}/${text_file[text]}")
  local with=(--bpemodel "${units[text]}/bpe.model" --token_list "${units[text]}/tokens.txt")
  after "${opt[datadir]}" "$prepared"
  after "${units[text]}" 5
  if [[ -n ${opt[lm_train_text]} ]]; then
    reads "${opt[lm_train_text]}"
    train+=(--lines "${opt[lm_train_text]}")
  fi
  if [[ -n ${opt[lm_dev_text]} ]]; then
    reads "${opt[lm_dev_text]}"
    valid=(--lines "${opt[lm_dev_text]}")
  fi
  py lm_stats "${train[@]}" "${with[@]}" --out "$lm_stats/train"
  py lm_stats "${valid[@]}" "${with[@]}" --out "$lm_stats/valid"
  makes "$lm_stats"/{train,valid}/{text,text_shape.bpe}
}

train_lm() { # stage 7
  local part args=() gpu_args=()
  if ((opt[ngpu] > 1)); then gpu_args=(--multiprocessing_distributed true); fi
  after "$lm_stats" 6
  after "${units[text]}" 5
  reads "${opt[lm_config]}"
  for part in train valid; do
    args+=("--${part}_data_path_and_name_and_type" "$lm_stats/$part/text,text,text"
      "--${part}_shape_file" "$lm_stats/$part/text_shape.bpe")
  done
  py lm_train --config "${opt[lm_config]}" --token_list "${units[text]}/tokens.txt" \
    --bpemodel "${units[text]}/bpe.model" --token_type bpe "${args[@]}" --output_dir "$lm" \
    --seed "${opt[seed]}" --resume true "${lm_args[@]}" :: --ngpu "${opt[ngpu]}" "${gpu_args[@]}"
  makes "$lm/config.yaml"
}

reads_lm() {
  if [[ -e $lm/config.yaml && ! -e $lm_model ]]; then
    fail "--inference_lm: $lm has no ${opt[inference_lm]}; its models: $(models_of "$lm")"
  fi
  reads "$lm/config.yaml" "$lm_model"
}

perplexity() { # stage 8: SET
  local gpu=0
  if [[ ${opt[gpu_inference]} == true ]]; then gpu=1; fi
  after "${opt[dumpdir]}" "$decoded_from.$1"
  reads_lm
  py lm_perplexity --data_path_and_name_and_type "$(tested "$1")/${text_file[text]},text,text" \
    --train_config "$lm/config.yaml" --model_file "$lm_model" --output_dir "$lm/perplexity_$1" :: --ngpu "$gpu"
  makes "$lm/perplexity_$1/ppl"
}

lm_stages() {
  local set=${test_sets[0]}
  if [[ ${opt[use_lm]} == false ]]; then
    if wanted 6; then echo "stages 6-8: language model: not asked for (--use_lm true)"; fi
    return
  fi
  if wanted 6; then run_unit 6 "text of the language model" "$lm_stats" lm_text; fi
  if wanted 7; then run_unit 7 "training of the language model" "$lm" train_lm; fi
  if wanted 8; then
    run_unit "8.$set" "perplexity of $set" "$lm/perplexity_$set" perplexity "$set"
    echo "stage 8: perplexity of $set: $(cat "$lm/perplexity_$set/ppl") a unit"
  fi
}

# fuse: decoding depends on the language model, and gets it in `fusion`.
fuse() {
  fusion=()
  if [[ ${opt[use_lm]} == false ]]; then return; fi
  reads_lm
  fusion=(--lm_train_config "$lm/config.yaml" --lm_file "$lm_model")
}
