"""Processes that have ESPnet imported when they begin, for scripts that start many.

``warm.py serve SOCKET`` imports it once. ``warm.py ask SOCKET words ...`` is then answered by
a fork of that process, which does what ``python -m espnet_mtla words ...`` does in the
folder, the environment and with the standard streams of who asks.
"""

import importlib
import json
import os
import socket
import sys
import traceback

IMPORTED = (
    *(f"espnet2.bin.{task}_inference" for task in ("asr", "st", "slu", "mt")),
    "espnet2.bin.tokenize_text",
    *("espnet_mtla.tasks", "espnet_mtla.search.decoding", "espnet_mtla.search.graph"),
)


def serve(path: str) -> None:
    """Answer until the process is ended."""
    for name in IMPORTED:
        importlib.import_module(name)
    for name in IMPORTED[:5]:  # they will be run as programs
        del sys.modules[name]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{path}.new")
        listening.listen()
        os.rename(f"{path}.new", path)  # who finds it is answered
        while True:
            asker, _ = listening.accept()
            with asker:
                if os.fork() == 0:
                    _answer(asker)


def _answer(asker: socket.socket) -> None:
    _, files, _, _ = socket.recv_fds(asker, 1, 3)
    for stream, file in enumerate(files):
        os.dup2(file, stream)
    asked = json.loads(asker.makefile().readline())
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["espnet_mtla", *asked["words"]]
    status = 1
    try:
        from espnet_mtla.bin import run
        from espnet_mtla.runner import main

        run(main)
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else 1
        if isinstance(e.code, str):
            print(e.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - as Python does at its end
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        asker.sendall(str(status).encode())
        os._exit(0)


def ask(path: str, words: list[str]) -> int:
    """Return the exit status of ``python -m espnet_mtla words ...``."""
    asked = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        socket.send_fds(server, [b"!"], [0, 1, 2])
        server.sendall(json.dumps(asked).encode() + b"\n")
        return int(server.makefile().read() or 1)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(ask(sys.argv[2], sys.argv[3:]))
