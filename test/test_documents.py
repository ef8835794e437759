"""Documents: what they link to is there, and what fills them finds them."""

import re
import subprocess
from pathlib import Path

import pytest

from bench import report

ROOT = Path(__file__).resolve().parents[1]
LISTED = subprocess.run(
    ["git", "-C", str(ROOT), "ls-files", "*.md"],
    capture_output=True,
    text=True,
    check=False,
).stdout.split()


@pytest.mark.parametrize("name", LISTED)
def test_links_lead_somewhere(name):
    path = ROOT / name
    links = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (path.parent / link).exists()] == []


def test_what_benchmarks_fill_is_there():
    assert LISTED
    for path in report.READMES:
        text = path.read_text(encoding="utf-8")
        assert report.BEGIN in text, path
        assert str(path.relative_to(ROOT)) in LISTED
