"""What decoding writes: n-best lists in ESPnet's files, and a journal until they are whole."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_mtla.files import atomic_open

Columns = dict[str, str]
"""A hypothesis as files have it, by their names: ``text``, ``token``, ``token_int``,
``score``, and for S2T ``text_nospecial``."""


class Outputs:
    """Turns ESPnet's results into what its files hold.

    Args:
        speech2text: ESPnet's object.
        eos: id of the end of sentence.
    """

    def __init__(self, speech2text: Any, eos: int):
        self.speech2text = speech2text
        self.eos = eos

    def columns(self, result: Any) -> list[Columns]:
        """Return the n-best list of one utterance.

        Args:
            result: what ESPnet's call returned; a list of nothing is left empty.
        """
        layers: Columns = {}
        if isinstance(result, tuple):  # with what encoder layers say by CTC
            result, by_layer = result
            layers = {
                f"encoder_interctc_layer{i}.txt": " ".join(tokens)
                for i, tokens in by_layer.items()
            }
        found = [self._columns(*hypothesis) for hypothesis in result]
        if found:
            found[0].update(layers)
        return found

    def _columns(self, text, token, token_int, *rest) -> Columns:
        *nospecial, hypothesis = rest
        # one that ends where the search stops has a second end of sentence, which
        # most of ESPnet's tasks leave in the text
        if token_int and token_int[-1] == self.eos:
            token, token_int = token[:-1], token_int[:-1]
            if text is not None:
                text = self.speech2text.tokenizer.tokens2text(token)
        columns = {
            "text": " ".join(token) if text is None else text,
            "token": " ".join(token),
            "token_int": " ".join(map(str, token_int)),
            "score": str(float(hypothesis.score)),
        }
        if nospecial and nospecial[0] is not None:
            columns["text_nospecial"] = nospecial[0]
        return columns


def write_outputs(
    out: Path, keys: Sequence[str], found: Mapping[str, list[Columns]], nbest: int
) -> None:
    """Write ``text`` and ``<n>best_recog/<column>``, a line for each key in order.

    Args:
        out: folder.
        keys: of all utterances.
        found: n-best list of each; what it lacks is left empty.
        nbest: how many lists there are.
    """
    for n in range(nbest):
        rows = [found[k][n] if n < len(found.get(k, [])) else {} for k in keys]
        names = {"text", "token", "token_int", "score"}.union(*rows)
        folder = out / f"{n + 1}best_recog"
        for name in sorted(names):
            paths = [folder / name] + ([out / name] if (n, name) == (0, "text") else [])
            for path in paths:
                with atomic_open(path) as f:
                    f.writelines(
                        f"{k} {row.get(name, '')}".rstrip() + "\n"
                        for k, row in zip(keys, rows)
                    )


class Journal:
    """Keeps what a decoding has found so far, so that it can go on after a kill.

    Each line is written and flushed when a batch is done. One that was cut short, as by
    a loss of power, is dropped with all behind it.

    Args:
        path: of the file.
        about: all that results depend on; what is there of another decoding is dropped.

    Attributes:
        found: n-best list of each utterance that is done.
        seconds: that those took.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]):
        self.path = path
        self.found: dict[str, list[Columns]] = {}
        self.seconds = 0.0
        head = json.dumps({"about": about}, sort_keys=True, default=str) + "\n"
        lines = path.read_bytes().splitlines(True) if path.exists() else []
        whole = [head.encode()]
        if lines[:1] == whole:
            for line in lines[1:]:
                try:
                    entry = json.loads(line if line.endswith(b"\n") else b"")
                    found, seconds = dict(entry["found"]), float(entry["seconds"])
                except (ValueError, TypeError, KeyError):
                    break
                self.found.update(found)
                self.seconds += seconds
                whole.append(line)
        with atomic_open(path, "wb") as f:
            f.writelines(whole)

    def add(self, found: Mapping[str, list[Columns]], seconds: float) -> None:
        """Keep what a batch found."""
        self.found.update(found)
        self.seconds += seconds
        line = json.dumps({"seconds": round(seconds, 3), "found": found})
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(line + "\n")
            f.flush()
            os.fsync(f.fileno())

    def remove(self) -> None:
        """Forget it: the outputs are written."""
        self.path.unlink()
