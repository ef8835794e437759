# What ESPnet's tasks differ in: their options, their data, their scores. Sourced by recipe.sh.
# shellcheck shell=bash disable=SC2154,SC2034

task_options() {
  if [[ $task == mt ]]; then
    option max_units count 1024 "units; longer articles are cut"
  else
    option audio_format "flac|wav" flac "audio format of the dump"
    option fs count 16000 "sampling rate"
    option speed_perturb_factors text "" "speeds of the training speech, as in \"0.9 1.0 1.1\" (none: as it is)"
    option min_wav_duration number 0.1 "seconds; shorter training utterances are dropped"
    option max_wav_duration number 30 "seconds; longer training utterances are dropped"
    option feats_normalize "utterance_mvn|none" utterance_mvn "feature normalisation"
    option pretrained_asr path "" "trained ASR model (.pth) whose encoder to start from"
  fi
  case $task in
    st)
      option tgt_lang text "" "language of the translation"
      option src_nbpe count "{nbpe}" "units of the source text"
      option tgt_nbpe count "{nbpe}" "units of the target text"
      option pretrain_asr bool false "train the recogniser ./asr.sh first, on the same data, and start from its encoder"
      ;;
    asr) option text_name text text "the file of a data directory that holds the transcripts" ;;
    slu) option entities bool false "targets hold the entities too: intent, entities, transcript" ;;
    mt) ;;
    *) fail "no such task: $task" ;;
  esac
}

# What tasks differ in: `texts` holds ESPnet's names of them; each has a file in a data directory,
# a folder for its units, their number, and the prefix of its training options. `vocabularies` are
# the texts whose units are made; others share a folder with one of them. `speech` is what is heard
# in training, if anything, `input` what is decoded; both are ESPnet's file, name and type. The
# files `shapes` say how long everything is, and so how much fits into a batch. The stages
# `trained_from` and `decoded_from` leave the data of training and of decoding in the dump.
describe_task() {
  declare -gA text_file=() units=() nbpe=() prefix=()
  data_opts=() token_args=() pretrained_args=() speech_args=() vocabularies=(text)
  if [[ $task == mt ]]; then
    speech=() input=src_text,src_text,text shapes=(src_text_shape text_shape)
    trained_from=5 decoded_from=5
  else
    input=wav.scp,speech,sound speech=("$input") shapes=(utt2num_samples)
    trained_from=4 decoded_from=3
    speech_args=(--normalize "${opt[feats_normalize]}" --frontend_conf "fs=${opt[fs]}")
  fi
  if [[ -v opt[tgt_lang] ]]; then data_opts=(--tgt_lang "${opt[tgt_lang]}"); fi
  case $task in
    st)
      # MuST-C is English; its source text, for CTC, has neither case nor punctuation.
      local tgt=${opt[tgt_lang]} lists=${opt[datadir]}/en-${opt[tgt_lang]}_token_list
      texts=(text src_text) vocabularies=(text src_text)
      prefix=([text]='' [src_text]=src_)
      nbpe=([text]=${opt[tgt_nbpe]} [src_text]=${opt[src_nbpe]})
      text_file=([text]=text.tc.$tgt [src_text]=text.lc.rm.en)
      units[text]=$lists/tgt_bpe_${opt[bpemode]}${nbpe[text]}_tc_$tgt
      units[src_text]=$lists/src_bpe_${opt[bpemode]}${nbpe[src_text]}_lc.rm_en
      scorer=score_st score_dir=score_bleu score_args=(--tgt_lang "$tgt")
      # NFKC would make the target's punctuation Latin, also in what is decoded.
      case $tgt in ja | zh) token_args=(--normalization identity) ;; esac
      # As in the paper: an encoder that has learnt from transcripts needs no CTC beside it.
      pretrained_args=(--model_conf asr_weight=0.0)
      ;;
    asr)
      texts=(text)
      prefix=([text]='')
      nbpe=([text]=${opt[nbpe]})
      text_file=([text]=${opt[text_name]})
      units[text]=${opt[datadir]}/token_list/bpe_${opt[bpemode]}${nbpe[text]}
      if [[ -v opt[tgt_lang] ]]; then # those of speech translation's source text
        units[text]=${opt[datadir]}/en-${opt[tgt_lang]}_token_list/src_bpe_${opt[bpemode]}${nbpe[text]}_lc.rm_en
      fi
      scorer=score_asr score_dir=score_wer score_args=(--bpemodel "${units[text]}/bpe.model")
      ;;
    slu)
      texts=(text)
      prefix=([text]='')
      nbpe=([text]=${opt[nbpe]})
      text_file=([text]=text)
      units[text]=${opt[datadir]}/token_list/bpe_${opt[bpemode]}${nbpe[text]}
      if [[ ${opt[entities]} == true ]]; then
        text_file[text]+=.entities
        units[text]+=_entities
      fi
      scorer=score_slu score_dir=score_slu score_args=()
      ;;
    mt)
      # Articles and summaries are of one language, and share their units.
      texts=(text src_text)
      prefix=([text]='' [src_text]=src_)
      nbpe=([text]=${opt[nbpe]})
      text_file=([text]=text [src_text]=src_text)
      units[text]=${opt[datadir]}/token_list/bpe_${opt[bpemode]}${nbpe[text]}
      units[src_text]=${units[text]}
      scorer=score_sum score_dir=score_rouge score_args=()
      ;;
  esac
  local text
  for text in "${texts[@]}"; do units[$text]+=$(differing train_set local_data_opts); done
}
