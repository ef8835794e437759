"""Language understanding: batched ``slu_inference``; see :mod:`.inference`."""

from espnet_mtla.bin import run
from espnet_mtla.search.decoding import inference

if __name__ == "__main__":
    run(lambda: inference("slu"))
