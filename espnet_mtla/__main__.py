"""``python -m espnet_mtla``; see :mod:`espnet_mtla.runner`."""

from espnet_mtla.bin import run
from espnet_mtla.runner import main

if __name__ == "__main__":
    run(main)
