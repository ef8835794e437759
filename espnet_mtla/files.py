"""Files that are either complete or absent, and tables of ``key value`` lines."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from espnet_mtla.errors import InputError


@contextmanager
def atomic_open(path: Path | str, mode: str = "w") -> Iterator[IO]:
    """Open a file for writing that appears under its name only when complete.

    It is written beside its place, in the same directory, and renamed at the
    end of the ``with`` block; an exception leaves what was there before.
    Missing parent directories are made. Text is UTF-8 with ``\\n``.

    Args:
        path: the file to write.
        mode: ``"w"`` or ``"wb"``.

    Raises:
        OSError: as ``open`` and ``write`` do, always with its ``filename`` set.
    """
    path = Path(path)
    # The process id keeps two runs that write the same file apart.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "\n")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, mode, encoding=encoding, newline=newline) as file:
            yield file
        os.replace(temporary, path)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        e.filename = e.filename or str(path)
        raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_lines(path: Path | str) -> list[str]:
    """Return the lines of a UTF-8 text file, split at ``\\n`` only.

    Raises:
        InputError: the file is missing or not UTF-8.
    """
    try:
        text = Path(path).read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path} is missing: check the path") from None
    except UnicodeDecodeError as e:
        number = e.object.count(b"\n", 0, e.start) + 1
        raise InputError(f"{path} line {number} is not UTF-8: convert it") from None
    # str.splitlines would also split at U+2028 and the like, inside sentences.
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_table(path: Path | str) -> dict[str, str]:
    """Read ``key value`` lines; a line with a key alone has an empty value.

    Raises:
        InputError: the file is missing or not UTF-8, a line is empty, or a
            key occurs twice.
    """
    table: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), 1):
        key, *value = line.split(maxsplit=1)[:2] or [""]
        if not key or key in table:
            problem = f"{key} occurs a second time" if key else "an empty line"
            raise InputError(f"{path} line {number}: {problem}: prepare the data again")
        table[key] = value[0].rstrip() if value else ""
    return table


def write_table(path: Path | str, rows: Mapping[str, object]) -> None:
    """Write ``key value`` lines sorted by key as the C locale sorts them."""
    with atomic_open(path) as file:
        for key in sorted(rows):
            file.write(f"{key} {rows[key]}\n")


def two_folders(data: Path | str, out: Path | str) -> tuple[Path, Path]:
    """Return both as paths; raise :class:`InputError` if they are the same folder."""
    data, out = Path(data), Path(out)
    if data.resolve() == out.resolve():
        raise InputError(f"--out {out} is --data itself: choose another folder")
    return data, out
