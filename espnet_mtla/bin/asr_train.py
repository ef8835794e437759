"""Speech recognition: ESPnet's ``asr_train`` with our decoders; see :mod:`.train`."""

from espnet_mtla.bin import run
from espnet_mtla.training import train

if __name__ == "__main__":
    run(lambda: train("asr"))
