"""Text to text: ESPnet's ``mt_train`` with our decoders; see :mod:`.train`."""

from espnet_mtla.bin import run
from espnet_mtla.training import train

if __name__ == "__main__":
    run(lambda: train("mt"))
