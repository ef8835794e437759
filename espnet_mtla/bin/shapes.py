"""Write the shape files ESPnet batches by, in place of its collect_stats (stage 10)."""

import argparse

from espnet_mtla.bin import run


def main() -> None:
    """Parse the options and do it."""
    parser = argparse.ArgumentParser(
        prog="python -m espnet_mtla.bin.shapes", description=__doc__
    )
    parser.add_argument("--data", required=True, help="formatted directory")
    parser.add_argument(
        "--out", required=True, help="gets speech_shape, <name>_shape.bpe"
    )
    parser.add_argument(
        "--text",
        required=True,
        action="append",
        metavar="NAME:FILE:MODEL",
        help="ESPnet's name, file in --data, bpe.model; may be repeated",
    )
    args = parser.parse_args()

    from espnet_mtla.errors import InputError
    from espnet_mtla.units import write_shapes

    texts = []
    for value in args.text:
        parts = value.split(":", 2)
        if len(parts) != 3 or not all(parts):
            raise InputError(f"--text {value}: give NAME:FILE:MODEL")
        texts.append((parts[0], parts[1], parts[2]))
    print(write_shapes(args.data, args.out, texts))


if __name__ == "__main__":
    run(main)
