"""Which meetings AMI's training, development and evaluation sets are made of."""

from importlib.resources import files

import yaml

from espnet_mtla.errors import InputError


def meetings_of(split: str) -> list[str]:
    """The meetings of ``ihm_train``, ``ihm_dev`` or ``ihm_eval``.

    Raises:
        InputError: there is no such split.
    """
    text = (files(__package__) / "ami.yaml").read_text(encoding="utf-8")
    splits = yaml.safe_load(text)
    if split not in splits:
        raise InputError(f"no split {split!r}: choose from {', '.join(splits)}")
    return [
        s + letter for s, letters in splits[split].items() for letter in letters or [""]
    ]
