#!/usr/bin/env bash
# What ESPnet's asr.sh, st.sh, slu.sh and mt.sh have ${python} do behind their stage 9, in a
# folder with data/{train,test}, tokens.txt, train.yaml and decode.yaml:
#   espnet_recipe.sh <task> <python> statistics|training|decoding [<folder of a decoding>]
set -euo pipefail

# Kaldi's run.pl: [--option value]... [JOB=1:n] log command...
run() {
  local n=1 log job pids=() failed=0
  while [[ $1 == --* ]]; do shift 2; done
  if [[ $1 == JOB=* ]]; then n=${1#JOB=1:} && shift; fi
  log=$1 && shift
  for job in $(seq "$n"); do
    "${@//JOB/$job}" >"${log//JOB/$job}" 2>&1 &
    pids+=($!)
  done
  for job in $(seq "$n"); do
    wait "${pids[job - 1]}" || { failed=1 && cat "${log//JOB/$job}" >&2; }
  done
  return $failed
}
if [[ $1 == run ]]; then shift && run "$@" && exit; fi

split_keys() { # file prefix, as split_scp.pl
  local n
  for n in $(seq $nj); do awk "NR % $nj == $n - 1" "$1" >"$2.$n.scp"; done
}

task=$1 python=$2 nj=2 exp=exp/model stats=exp/stats
key=wav.scp input=wav.scp,speech,sound texts=(text)
[[ $task == st || $task == mt ]] && texts+=(src_text)
[[ $task == mt ]] && key=src_text input=src_text,src_text,text
units=(--bpemodel none --token_type char --token_list tokens.txt)
[[ $task == st || $task == mt ]] &&
  units+=(--src_bpemodel none --src_token_type char --src_token_list tokens.txt)
units+=(--use_preprocessor true --non_linguistic_symbols none --cleaner none --g2p none)

case $3 in
  statistics)
    mkdir -p $stats/logdir
    _opts=
    for part in train valid; do
      split_keys data/train/$key $stats/logdir/$part
      [[ $task == mt ]] || _opts+="--${part}_data_path_and_name_and_type data/train/$input "
      for name in "${texts[@]}"; do
        _opts+="--${part}_data_path_and_name_and_type data/train/$name,$name,text "
      done
    done
    # shellcheck disable=SC2086
    run JOB=1:$nj $stats/logdir/stats.JOB.log \
      ${python} -m "espnet2.bin.${task}_train" --collect_stats true "${units[@]}" \
      --train_shape_file $stats/logdir/train.JOB.scp \
      --valid_shape_file $stats/logdir/valid.JOB.scp \
      --output_dir $stats/logdir/stats.JOB --config train.yaml ${_opts}
    _opts=
    for i in $(seq $nj); do _opts+="--input_dir $stats/logdir/stats.$i "; done
    # shellcheck disable=SC2086
    ${python} -m espnet2.bin.aggregate_stats_dirs ${_opts} --output_dir $stats
    for file in "$stats"/{train,valid}/*text_shape; do
      awk -v N="$(wc -l <tokens.txt)" '{ print $0 "," N }' "$file" >"$file.char"
    done
    ;;
  training)
    mkdir -p $exp
    _opts=
    for part in train valid; do
      if [[ $task != mt ]]; then
        _opts+="--${part}_data_path_and_name_and_type data/train/$input "
        _opts+="--${part}_shape_file $stats/$part/speech_shape "
      fi
      for name in "${texts[@]}"; do
        _opts+="--${part}_data_path_and_name_and_type data/train/$name,$name,text "
        _opts+="--${part}_shape_file $stats/$part/${name}_shape.char "
      done
    done
    [[ $task == mt ]] ||
      _opts+="--normalize=global_mvn --normalize_conf stats_file=$stats/train/feats_stats.npz "
    # shellcheck disable=SC2086
    ${python} -m espnet2.bin.launch --cmd "$0 run --name $exp/train.log" \
      --log $exp/train.log --ngpu 0 --num_nodes 1 --init_file_prefix $exp/.dist_init_ \
      --multiprocessing_distributed true -- \
      ${python} -m "espnet2.bin.${task}_train" "${units[@]}" --resume true --init_param \
      --ignore_init_mismatch false --output_dir $exp --config train.yaml ${_opts}
    ;;
  decoding)
    logdir=$4/logdir
    mkdir -p "$logdir"
    split_keys data/test/$key "$logdir/keys"
    # shellcheck disable=SC2086
    run --gpu 0 JOB=1:$nj "$logdir/inference.JOB.log" \
      ${python} -m "espnet2.bin.${task}_inference" --batch_size 1 --ngpu 0 \
      --data_path_and_name_and_type data/test/$input --key_file "$logdir/keys.JOB.scp" \
      --"${task}"_train_config $exp/config.yaml --"${task}"_model_file $exp/valid.acc.ave.pth \
      --output_dir "$logdir/output.JOB" --config decode.yaml
    for f in token token_int score text; do
      for i in $(seq $nj); do cat "$logdir/output.$i/1best_recog/$f"; done |
        LC_ALL=C sort -k1 >"$4/$f"
    done
    ${python} -m espnet2.bin.tokenize_text -f 2- --input - --output - --token_type word \
      <"$4/text" >"$4/hyp.trn"
    ;;
esac
