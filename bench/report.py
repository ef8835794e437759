"""Tables of what was measured, printed and put into READMEs.

    python -m bench.report

fills every README that has a line ``<!-- bench: FILE.json -->`` with the table of
``bench/results/FILE.json``, up to the line ``<!-- /bench -->``; with a narrow one of
decoding where the line is ``<!-- bench: FILE.json brief -->``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench import machine
from bench.tables import laid_out
from espnet_mtla.bin import run
from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open, read_lines

ROOT = Path(__file__).parent.parent
READMES = (
    ROOT / "README.md",
    ROOT / "bench" / "README.md",
    ROOT / "docs" / "training.md",
)
BEGIN, END = "<!-- bench: ", "<!-- /bench -->"


def fill(readme: Path, results: Path) -> int:
    """Replace the tables of a README; return how many of them have figures.

    Raises:
        InputError: a marker without its end, or a JSON that is no benchmark's.
    """
    lines, out, n_tables = read_lines(readme), [], 0
    rest = iter(lines)
    for line in rest:
        out.append(line)
        if not line.startswith(BEGIN):
            continue
        name, _, form = line.removeprefix(BEGIN).removesuffix(" -->").partition(" ")
        if not any(old == END for old in rest):
            raise InputError(f"{readme}: {line} has no line {END} below it")
        text = "Not run yet."
        if (results / name).exists():
            data = machine.read(results / name)
            text = laid_out(data, form)
            n_tables += 1
        out += ["", *text.splitlines(), "", END]
    if out != lines:
        with atomic_open(readme) as f:
            f.writelines(line + "\n" for line in out)
    return n_tables


def main(argv: Sequence[str] | None = None) -> None:
    """Fill the READMEs."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.report", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("readmes", nargs="*", type=Path, default=READMES)
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results")
    args = parser.parse_args(argv)
    if not args.results.is_dir():
        raise InputError(f"--results {args.results}: no such folder")
    for readme in args.readmes:
        print(f"{readme}: {fill(readme, args.results)} tables")


if __name__ == "__main__":
    run(main)
