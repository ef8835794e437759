"""Tasks as a freshly spawned process finds them (training on several GPUs)."""

import pickle
import subprocess
import sys

import pytest

from espnet_mtla import tasks
from espnet_mtla.errors import InputError


def test_a_spawned_process_knows_our_decoders():
    """ESPnet's main hands the task class to ``spawn``, which pickles it by name."""
    child = (
        "import pickle, sys\n"
        "task = pickle.load(sys.stdin.buffer)\n"
        "parser = task.get_parser()\n"
        "print(parser.parse_args(['--decoder', 'mtla', '--output_dir', 'x']).decoder)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", child],
        input=pickle.dumps(tasks.STTask),
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode().strip() == "mtla", done.stderr.decode()


def test_names_are_those_of_espnet():
    from espnet2.tasks.st import STTask

    assert issubclass(tasks.STTask, STTask)
    assert tasks.STTask is tasks.task_class("st")
    with pytest.raises(AttributeError, match="TTSTask"):
        _ = tasks.TTSTask
    with pytest.raises(InputError, match="'tts'"):
        tasks.task_class("tts")
