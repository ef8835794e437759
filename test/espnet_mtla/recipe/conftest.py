"""Commands of units in the place of which a function of the test is called."""

import pytest

from espnet_mtla.recipe import reproduce, run, unit


class Commands:
    """Stands for ``Child``; in the current folder, a new one."""

    def __init__(self):
        self.calls = []

    @staticmethod
    def does(log, *words):
        """What a command does; its exit status is what it returns, or 0."""

    def __call__(self, words, stdout=None, stderr=None, whole=True, **_):
        self.stdout, self.whole = stdout, whole
        self.calls.append(" ".join(map(str, words)))
        log = stdout if hasattr(stdout, "write") else stderr
        self.status = self.does(log, *map(str, words)) or 0
        return self

    def wait(self):
        return self.status


@pytest.fixture
def commands(monkeypatch, tmp_path):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    commands = Commands()
    for module in (reproduce, run, unit):
        monkeypatch.setattr(module, "Child", commands)
    return commands
