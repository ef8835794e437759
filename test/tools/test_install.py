"""tools/install.sh with fake Pythons: nothing is downloaded."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Says yes to whatever makes a usable Python; `-m venv` copies it; pip is only written down.
GOOD = r"""#!/bin/bash
case "$*" in
  "-c "*) [[ "$*" != *torch* || ! -e $FAULTS/import ]] || { echo "ImportError: torch"; exit 1; } ;;
  "-m venv "*)
    venv=${!#}
    echo "venv $0" >>"$CALLS"
    rm -rf "$venv"
    mkdir -p "$venv/bin" && cp "$0" "$venv/bin/python" && touch "$venv/pyvenv.cfg"
    ;;
  "-m pip --version") ;;
  "-m pip install "*)
    echo "pip ${!#}" >>"$CALLS"
    echo "Collecting torch"
    [[ ! -e $FAULTS/pip ]] || { echo "ERROR: No space left on device"; exit 1; }
    ;;
  *) echo "unexpected: $*" >>"$CALLS"; exit 9 ;;
esac
"""
SHIM = "#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n"
OTHER_VERSION = f"#!/bin/sh\nexec {shutil.which('false')}\n"
# The one tool that could find a real Python behind the test's back.
UV = "#!/bin/sh\nexit 2\n"


class Place:
    def __init__(self, tmp: Path):
        self.root = tmp / "a clone"
        (self.root / "tools").mkdir(parents=True)
        shutil.copy(ROOT / "tools/install.sh", self.root / "tools")
        for name in ("setup.cfg", "pyproject.toml"):
            shutil.copy(ROOT / name, self.root)
        self.bin = tmp / "bin"
        self.bin.mkdir()
        self.venv = tmp / "venv"
        self.faults = tmp / "faults"
        self.faults.mkdir()
        self.calls_file = tmp / "calls"
        # The system's tools without its Pythons.
        tools = "bash sh cat cksum awk dirname rm mkdir cp touch ls tail sed"
        for tool in tools.split(" "):
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.program("uv", UV)
        self.program("pyenv", f"#!/bin/sh\necho {tmp}/pyenv\n")
        self.env = {
            "PATH": str(self.bin),
            "HOME": str(tmp),
            "ESPNET_MTLA_VENV": str(self.venv),
            "PYTHON_PLACES": f"{tmp}/none:{tmp}/opt",
            "CALLS": str(self.calls_file),
            "FAULTS": str(self.faults),
        }

    def program(self, name, text, folder=None):
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def run(self, *args):
        self.calls_file.write_text("")
        return subprocess.run(
            [self.root / "tools/install.sh", *args],
            env=self.env,
            check=False,
            text=True,
            capture_output=True,
            timeout=30,
        )

    def ok(self, *args):
        done = self.run(*args)
        assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
        assert (
            done.stdout.splitlines()[-1] == f"install.sh: ready: {self.venv}/bin/python"
        )
        return done

    @property
    def calls(self):
        return self.calls_file.read_text().splitlines()

    @property
    def pip(self):
        return f"pip {self.root}[test]"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_a_working_python_is_chosen_among_broken_ones(place):
    place.program("python3.12", SHIM)
    place.program("python3.13", OTHER_VERSION)
    good = place.program("python3", GOOD)
    place.ok()
    assert place.calls == [f"venv {good}", place.pip]


@pytest.mark.parametrize("folder", ["pyenv/versions/3.13.4/bin", "opt"])
def test_one_that_is_not_on_the_path_is_found(place, tmp_path, folder):
    place.program("python3.12", SHIM)
    good = place.program(
        "python" if "pyenv" in folder else "python3.13", GOOD, tmp_path / folder
    )
    place.ok()
    assert place.calls == [f"venv {good}", place.pip]


def test_none_is_one_line_that_says_what_to_do(place):
    place.program("python3.12", SHIM)
    done = place.run()
    assert done.returncode == 1 and done.stdout == "" and place.calls == []
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "install.sh: no working Python 3.12 or 3.13 found: install one"
    )
    assert "--python PATH" in line and not place.venv.exists()


@pytest.mark.parametrize(
    "version, usable",
    [("3, 11, 9", False), ("3, 12, 0", True), ("3, 13, 5", True), ("3, 14, 0", False)],
)
def test_the_version_must_be_right(place, version, usable):
    """A real Python that is made to believe in another version, and makes no environment."""
    python = place.program(
        "python3.13",
        "#!/bin/bash\n"
        f'[[ $1 == -c ]] && exec {sys.executable} -c "import sys;'
        f' sys.version_info = ({version}); exec(sys.argv[1])" "$2"\n',
    )
    done = place.run("--python", python)
    assert done.returncode == 1
    assert done.stderr == (
        f"install.sh: could not make {place.venv}\n"
        if usable
        else f"install.sh: --python: {python} is no working Python 3.12 or 3.13 (with venv)\n"
    )


def test_python_can_be_named(place, tmp_path):
    place.program("python3.12", GOOD)
    mine = place.program("mine", GOOD, tmp_path)
    place.ok(f"--python={mine}")
    assert place.calls == [f"venv {mine}", place.pip]


def test_a_complete_environment_is_left_alone_until_requirements_change(place):
    place.program("python3.12", GOOD)
    place.ok()
    assert place.ok().stdout.count("\n") == 1 and place.calls == []
    with open(place.root / "setup.cfg", "a") as f:
        f.write("# more\n")
    place.ok()
    assert place.calls == [place.pip]  # into the same environment


@pytest.mark.parametrize(
    "fault, shown, said",
    [
        ("pip", "ERROR: No space left on device", "pip failed"),
        ("import", "ImportError: torch", "cannot be imported"),
    ],
)
def test_a_failed_install_shows_why_and_can_be_run_again(place, fault, shown, said):
    place.program("python3.12", GOOD)
    (place.faults / fault).touch()
    done = place.run()
    assert done.returncode == 1
    *log, last = done.stderr.splitlines()
    assert shown in log and said in last and f"see {place.venv}/install.log" in last
    assert "Collecting torch" in (place.venv / "install.log").read_text()
    (place.faults / fault).unlink()
    place.ok()
    assert place.calls == [place.pip]


def test_a_folder_of_something_else_is_not_overwritten(place):
    place.program("python3.12", GOOD)
    place.venv.mkdir()
    (place.venv / "thesis.tex").touch()
    done = place.run()
    assert done.returncode == 1 and place.calls == []
    assert "move it away" in done.stderr and (place.venv / "thesis.tex").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(place):
    place.program("python3.12", GOOD)
    place.ok()
    place.program("python", SHIM, place.venv / "bin")
    (place.venv / ".espnet_mtla").unlink()
    place.ok()
    assert place.calls == [f"venv {place.bin}/python3.12", place.pip]


@pytest.mark.parametrize("args", [["--pyton", "x"], ["--python"]])
def test_bad_options(place, args):
    done = place.run(*args)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
