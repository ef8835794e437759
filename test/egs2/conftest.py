"""Recipes run with a fake Python, and small real runs.

The fake writes down the commands it is given and makes the files that the real
commands make, so what is tested is what the shell decides: which commands run,
in which order, with which arguments, and what a rerun does.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from espnet_mtla.variant import VARIANTS

ROOT = Path(__file__).resolve().parents[2]

FAKE_PYTHON = r"""#!/usr/bin/env bash
if [[ $1 == -c || $2 == espnet_mtla.recipe.* ]]; then exec "$REAL_PYTHON" "$@"; fi
command=${2#espnet_mtla.bin.}
shift 2
if [[ $command == check_recipe ]]; then # before all stages, and no part of them
  echo "$*" >"$CALLS.check"
  printf '%s\0' "$@" >"$CALLS.check0"
  if [[ "$*" == *temporal_strid=* ]]; then echo "error: no option 'temporal_strid'" >&2 && exit 1; fi
  exit
fi
echo "$command $*" >>"$CALLS" # in one piece: several runs write
if [[ -e $FAULTS/$command ]]; then
  . "$FAULTS/$command"
fi
# what a command makes is another when its options or its inputs are, but for processes and devices
made_of=$(
  while (($#)); do
    case $1 in --out | --output_dir | --nj | --ngpu | --multiprocessing_distributed | --gpu_inference) shift ;; *)
      echo "$1"
      if [[ -f ${1%%,*} ]]; then cat "${1%%,*}"; elif [[ -f $1/wav.scp ]]; then cat "$1"/[!.]*; elif [[ -f $1/made ]]; then cat "$1/made"; fi ;;
    esac
    shift
  done 2>/dev/null | cksum
)
out=''
while (($#)); do
  case $1 in --out | --output_dir) out=$2 ;; --tgt_lang) tgt_lang=$2 ;; esac
  shift
done
if [[ -z $out ]]; then exit; fi
mkdir -p "$(dirname "$out")"
touch_all() { local f; for f in "$@"; do mkdir -p "$(dirname "$f")"; echo "$command $made_of" >"$f"; done; }
case $command in
  make_mini) touch_all "$out/made" ;;
  prepare_must_c) touch_all "$out"/{train,dev,tst-COMMON,tst-HE}."en-$tgt_lang"/{wav.scp,text.tc."$tgt_lang",text.lc.rm.en} ;;
  prepare_librispeech) touch_all "$out"/{train_960,train_clean_100,dev,{dev,test}_{clean,other}}/{wav.scp,text} ;;
  prepare_slurp) touch_all "$out"/{train,devel,test}/wav.scp ;;
  prepare_ami) touch_all "$out"/ihm_{train,dev,eval}/wav.scp ;;
  prepare_xsum) touch_all "$out"/{train,validation,test}/{text,src_text} ;;
  cut_text) touch_all "$out"/{text,src_text}{,_shape} ;;
  perturb_speed) touch_all "$out"/{wav.scp,text} ;;
  format_wav_scp | filter_data) touch_all "$out"/{wav.scp,utt2num_samples,text,text.entities,text.tc.{de,fr,ja,zh},text.lc.rm.en} ;;
  tokens) touch_all "$out"/{tokens.txt,bpe.model} ;;
  *_train)
    touch_all "$out"/{config.yaml,valid.acc.ave.pth,valid.loss.{ave,best}.pth}
    echo trained >>"$out/checkpoint.pth"
    ;;
  lm_stats) touch_all "$out"/{text,text_shape.bpe} ;;
  lm_perplexity) touch_all "$out/ppl" && echo 3.25 >"$out/ppl" ;;
  *_inference) touch_all "$out"/{text,efficiency.json} && echo $$ >>"$out/efficiency.json" ;;
  score_*) touch_all "$out/result.json" && echo "$out $$" >"$out/result.json" ;;
  compare) echo '|model|BLEU|' >"$out" ;;
  *) echo "error: no command $command"; exit 1 ;;
esac
"""


class Recipe:
    """A copy of a recipe with configurations of its own."""

    # The commands of must_c/st1.
    PIPELINE = (
        ["make_mini", "prepare_must_c"]
        + ["format_wav_scp"] * 4
        + ["filter_data"] * 2
        + ["tokens"] * 2
        + ["st_train"]
        + ["st_inference"] * 2
        + ["score_st"] * 2
        + ["compare"]
    )

    def __init__(self, tmp: Path, name: str = "must_c/st1"):
        self.root = tmp / "clone"
        self.dir = self.root / "egs2" / name
        shutil.copytree(ROOT / "egs2/TEMPLATE", self.root / "egs2/TEMPLATE")
        (self.root / "espnet_mtla").symlink_to(ROOT / "espnet_mtla")
        self.dir.mkdir(parents=True)
        for script in (ROOT / "egs2" / name).glob("*.sh"):
            shutil.copy(script, self.dir)
        confs = [*ROOT.glob("egs2/*/*/conf/*.yaml"), *ROOT.glob("conf/**/*.yaml")]
        for path in confs:
            copy = self.root / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text("max_epoch: 1\n")
        decoders = self.root / "conf/decoder"
        for variant in VARIANTS:
            (decoders / f"{variant}.yaml").write_text(f"decoder: {variant}\n")
        self.python = tmp / "bin/python"
        self.python.parent.mkdir()
        self.python.write_text(FAKE_PYTHON)
        self.python.chmod(0o755)
        # Nobody's GPU takes part.
        smi = tmp / "bin/nvidia-smi"
        smi.write_text("#!/bin/sh\nexit 1\n")
        smi.chmod(0o755)
        self.faults = tmp / "faults"
        self.faults.mkdir()
        self.calls_file = tmp / "calls"
        self.env = {k: v for k, v in os.environ.items() if k != "ESPNET_MTLA_VENV"}
        self.env.update(
            PATH=f"{tmp}/bin:{os.environ['PATH']}",
            REAL_PYTHON=sys.executable,
            CALLS=str(self.calls_file),
            FAULTS=str(self.faults),
        )

    def run(self, *options, python=True, cwd=None, mini=True):
        """The finished process; `self.calls` then holds the commands it ran."""
        self.calls_file.write_text("")
        return subprocess.run(
            [self.dir / "run.sh", *self.options(*options, python=python, mini=mini)],
            env=self.env,
            cwd=cwd,
            check=False,
            text=True,
            capture_output=True,
            timeout=300,
        )

    def start(self, *options):
        """A run that is not waited for."""
        return subprocess.Popen(
            [self.dir / "run.sh", *self.options(*options)],
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def options(self, *options, python=True, mini=True):
        first = ["--mini", "true"] if mini else []
        return first + (["--python", self.python] if python else []) + list(options)

    def ok(self, *options, **how):
        done = self.run(*options, **how)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def refused(self, *options, **how):
        """The one line with which these options are refused, before any work."""
        done = self.run(*options, **how)
        assert done.returncode != 0 and done.stdout == "" and self.calls == []
        (line,) = done.stderr.splitlines()
        return line

    @property
    def calls(self):
        return self.calls_file.read_text().splitlines()

    @property
    def commands(self):
        return [call.split()[0] for call in self.calls]

    @property
    def checked(self):
        """The arguments of the last check before the stages."""
        return Path(f"{self.calls_file}.check").read_text().strip()

    def rest(self, command):
        """The pipeline from a command on."""
        return self.PIPELINE[self.PIPELINE.index(command) :]

    def call(self, command, nth=0):
        return [c for c in self.calls if c.split()[0] == command][nth]


@pytest.fixture(autouse=True, scope="session")
def interruptible():
    """Recipes can be interrupted though the shell runs the tests in the background.

    Such a shell has its jobs ignore SIGINT, which their children inherit, and which
    Bash does not undo.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def recipe_class():
    return Recipe


@pytest.fixture
def recipe(tmp_path):
    return Recipe(tmp_path)


@pytest.fixture(scope="session")
def all_done(tmp_path_factory):
    recipe = Recipe(tmp_path_factory.mktemp("done"))
    recipe.ok()
    return recipe.root


@pytest.fixture
def finished(all_done, recipe):
    """A recipe all of whose stages were run before."""
    shutil.rmtree(recipe.root)
    shutil.copytree(all_done, recipe.root)
    return recipe


class RealRun:
    """A recipe run in folders of its own, on a corpus of a few utterances.

    Args:
        tmp: the folder.
        name: of the recipe.
        task: ESPnet's.
        config: of its training, a path under egs2.
        epochs: of training, instead of the configuration's.
        options: further ones, of all its runs.
    """

    def __init__(self, tmp, name: str, task: str, config: str, epochs: int, *options):
        self.tmp, self.dir = tmp, ROOT / "egs2" / name
        train = self._copied(ROOT / "egs2" / config, max_epoch=epochs)
        # a model that learnt nothing would talk on and on
        name = Path(config).name.replace("train_", "decode_")
        decode = self._copied(
            ROOT / "egs2" / config.replace(Path(config).name, name), maxlenratio=-12
        )
        self.options = ["--mini", "true", "--python", sys.executable, "--ngpu", "0"]
        for folder in ("data", "dump", "exp"):
            self.options += [f"--{folder}dir", f"{tmp}/{folder}"]
        self.options += [f"--{task}_config", train, "--inference_config", decode]
        self.options += [f"--{task}_tag", "tiny", *options]
        self.options += ["--num_train", "40", "--num_dev", "6", "--num_test", "12"]
        self.first = self()

    def _copied(self, path: Path, **changed) -> Path:
        conf = yaml.safe_load(path.read_text("utf-8"))
        copy = self.tmp / path.name
        copy.write_text(yaml.safe_dump(conf | changed))
        return copy

    def __call__(self, *options: str) -> str:
        """What a run prints; the first makes everything."""
        done = subprocess.run(
            [self.dir / "run.sh", *self.options, *options],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def real_run(tmp_path_factory):
    return lambda *how: RealRun(tmp_path_factory.mktemp("run"), *how)
