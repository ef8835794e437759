"""Speech to text (OWSM): batched ``s2t_inference``; see :mod:`.inference`."""

from espnet_mtla.bin import run
from espnet_mtla.search.decoding import inference

if __name__ == "__main__":
    run(lambda: inference("s2t"))
