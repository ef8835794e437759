"""The software that figures come from."""

import datetime
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from espnet_mtla import __version__


def environment() -> dict[str, str]:
    """Describe the software, as ESPnet's ``show_asr_result.sh`` does."""
    packages = ("espnet", "torch", "sacrebleu", "rouge-score", "rapidfuzz")
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "python version": platform.python_version(),
        **{f"{name} version": version(name) for name in packages},
        "espnet_mtla version": __version__,
        "git hash": _git("rev-parse", "--short", "HEAD"),
        "commit date": _git("show", "-s", "--format=%cd", "HEAD"),
    }


def _git(*args: str) -> str:
    here = Path(__file__).parent
    command = ["git", "-C", str(here), *args]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "no git here"
    return done.stdout.strip() or "not a git checkout"
