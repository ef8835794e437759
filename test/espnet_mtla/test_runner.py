"""``python -m espnet_mtla`` runs what ``python`` runs."""

import multiprocessing
import os
import subprocess
import sys

import pytest
import yaml

from espnet_mtla import runner
from espnet_mtla.errors import InputError

PROGRAM = """
import multiprocessing, sys

def square(n):
    return n * n

if __name__ == "__main__":
    print(sys.argv, sys.path[0], __name__, sys.flags.optimize, sys._xoptions)
    print(globals().get("__file__"), __spec__ and __spec__.name, sys.stdin.read())
    assert sys.modules["__main__"].square is square
    if "spawn" in sys.argv:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(square, [3]))
    sys.exit(7)
"""


def run(*words, env=None, stdin="", cwd=None):
    return subprocess.run(
        [sys.executable, *words],
        env=os.environ | (env or {}),
        input=stdin,
        cwd=cwd,
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path):
    """The program as a module, in a package, as a file elsewhere, and as a link to it."""
    for name in ("tool.py", "package/__main__.py", "scripts/tool.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(PROGRAM)
    (tmp_path / "link.py").symlink_to("scripts/tool.py")
    (tmp_path / "package/__init__.py").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "tool", "a", "-m", "b c", "spawn"),
        ("-mtool", "--help"),
        ("-m", "package", "-c", ""),
        ("tool.py", "-u", "spawn"),
        ("scripts/tool.py",),
        ("link.py", "x"),
        ("-c", PROGRAM, "-m", "x"),
        ("-", "-x", "y"),
        ("-u", "-O", "-m", "tool", "-O"),
        ("-OOum", "tool"),
        ("-X", "one=1", "-Xtwo", "-W", "ignore", "tool.py"),
        ("-Wignore", "-c", "import sys, warnings; warnings.warn('no'); sys.exit(7)"),
    ],
    ids=" ".join,
)
def test_as_python_does(folder, words):
    stdin = PROGRAM if words[0] == "-" else "from a pipe"
    there = {"PYTHONPATH": os.pathsep.join(sys.path)}
    want = run(*words, stdin=stdin, cwd=folder, env=there)
    found = run("-m", "espnet_mtla", *words, stdin=stdin, cwd=folder, env=there)
    assert want.returncode == 7
    assert (found.returncode, found.stdout, found.stderr) == (
        7,
        want.stdout,
        want.stderr,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m", "espnet2.bin.asr_trian"], "No module named 'espnet2.bin.asr_trian'"),
        (["-m", "nothing.here"], "No module named 'nothing'"),
        (["gone.py"], "gone.py: no such file"),
        (["-m"], "-m needs something behind it; see --help"),
        (["-u", "-X"], "-X needs something behind it; see --help"),
        (["--verbose", "x.py"], "--verbose: no option of python -m espnet_mtla; "),
    ],
)
def test_what_cannot_be_run_is_named(words, message):
    with pytest.raises(InputError, match=f"^{message}"):
        runner.main(words)


def test_an_error_is_one_line_and_status_1():
    done = run("-m", "espnet_mtla", "-c", "", env={"ESPNET_MTLA_SEARCH": "slow"})
    assert done.returncode == 1
    assert done.stderr == "error: ESPNET_MTLA_SEARCH=slow: give fast or espnet\n"


def test_how_to_use_it():
    done = run("-m", "espnet_mtla", "--help")
    assert done.returncode == 0
    assert '--python "python3 -m espnet_mtla"' in done.stdout
    nothing = run("-m", "espnet_mtla")
    assert (nothing.returncode, nothing.stderr) == (1, done.stdout)


def test_it_costs_nothing_that_is_not_asked_for():
    """ESPnet's scripts call Python for small things too."""
    code = "import sys, espnet2.bin.aggregate_stats_dirs; print('torch' in sys.modules)"
    assert run("-m", "espnet_mtla", "-c", code).stdout == "False\n"


@pytest.mark.parametrize(
    ("args", "left"),
    [
        ("--batch_size 1 --nbest 2", "--nbest 2"),
        ("--nbest 1 --batch_size=1", "--nbest 1"),
        ("--batch_size 8 --batch_size 1", ""),
        ("--batch_size 1 --batch_size 8", "--batch_size 1 --batch_size 8"),
        ("--batch_size 0 --beam_size 1", "--batch_size 0 --beam_size 1"),
        ("--beam_size 1", "--beam_size 1"),
    ],
)
def test_a_batch_of_one_is_not_asked_for(args, left, capsys):
    assert runner.without_batch_size_1(args.split()) == left.split()
    assert ("--batch_frames bounds" in capsys.readouterr().err) == (args != left)


def test_several_gpus_find_the_decoders(tmp_path, monkeypatch):
    """ESPnet spawns a process a GPU, which gets the task and its options pickled.

    That process begins without what this one has imported or registered.
    """
    from espnet2.tasks.abs_task import AbsTask

    tokens = tmp_path / "tokens.txt"
    tokens.write_text("<blank>\n<unk>\na\n<sos/eos>\n")
    options = ["--decoder", "mtla", "--decoder_conf", "num_blocks=1"]
    options += ["--token_list", str(tokens), "--src_token_list", str(tokens)]
    options += ["--token_type", "char", "--src_token_type", "char", "--ngpu", "0"]
    options += ["--output_dir", str(tmp_path / "exp"), "--dry_run", "true"]
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", [])
        patch.setattr(
            AbsTask, "main_worker", classmethod(lambda *given: seen.append(given))
        )
        runner.main(["-m", "espnet2.bin.mt_train", *options])
        assert sys.argv[0].endswith("espnet2/bin/mt_train.py")
    ((task, args),) = seen
    worker = multiprocessing.get_context("spawn").Process(
        target=task.main_worker, args=(args,)
    )
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    config = yaml.safe_load((tmp_path / "exp/config.yaml").read_text())
    assert config["decoder"] == "mtla"
