# What a run.sh sources. It then says what its recipe is, and runs it:
#   recipe TASK CORPUS FOLDER          ESPnet's task, the corpus, its folder's name on a disk
#   option NAME KIND DEFAULT HELP      an option that it has besides
#   default NAME VALUE [SMALL]         a default of its own; SMALL is that of small runs
#   reader WORD...                     further words of bin/prepare_CORPUS
#   units FOLDER                       where its units lie, if not where the task puts them
#   paper OPTION...                    what makes a run the paper's (--paper true)
#   run_recipe "$@"
# {NAME} stands for the value of another option. What options there are, what they may be and what
# follows from them is decided by espnet_mtla/recipe. What the stages do: stages.sh.
# shellcheck shell=bash

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  echo "run.sh: needs bash 4.4 or newer, this is $BASH_VERSION" >&2
  exit 1
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
started_in=$PWD
. "$root/egs2/TEMPLATE/python.sh"
. "$root/egs2/TEMPLATE/stages.sh"

said=()
say_to_python() { local IFS=$'\x1f' && said+=("$*"); }
recipe() { say_to_python recipe "$@"; }
option() { say_to_python option "$@"; }
default() { say_to_python default "$@"; }
reader() { say_to_python reader "$@"; }
units() { say_to_python units "$@"; }
paper() { say_to_python paper "$@"; }

settle() { # OPTION...: sets the variables that the head of stages.sh names
  local name value
  reader=$(any_python "$root" "$@") || exit
  exec 4>&1
  while IFS= read -rd '' name && IFS= read -rd '' value; do
    printf -v "$name" %s "$value"
  done < <("$reader" -m espnet_mtla.recipe.settle "$started_in" "${said[@]}" -- "$@" 3>&1 >&4)
  wait "$!" || exit
  exec 4>&-
  if ((!${#opt[@]})); then exit 0; fi # --help
}

# tools/install.sh is done at once when the environment is complete; its last line says where it is.
installed_python() {
  (cd "$started_in" && "$root/tools/install.sh") | while IFS= read -r line; do
    case $line in
      *": ready: "*) echo "${line#*: ready: }" ;;
      *) echo "$line" >&2 ;;
    esac
  done
}

run_recipe() {
  cd "$(dirname "${BASH_SOURCE[1]}")" || exit
  export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
  settle "$@"
  if [[ -z ${opt[python]} ]]; then
    venv=${ESPNET_MTLA_VENV:-$root/.venv}
    if [[ ${opt[dry_run]} == true && ! -x $venv/bin/python ]]; then
      echo "run.sh: nothing is installed yet, so options of training and decoding are not checked" >&2
      opt[python]=$reader check_args=()
    else
      opt[python]=$(installed_python)
    fi
  fi
  # in the place of the shell: signals reach it, and a run.sh that was edited meanwhile is not read on
  exec "${opt[python]}" -m espnet_mtla.recipe.run < <(plan)
}
