"""Perplexity of a text: ESPnet's ``lm_calc_perplexity``, on a checked model.

Writes ``ppl`` (a unit, the sentence's end counted as one), ``utt2ppl`` and
``utt2ntokens`` into ``--output_dir``.
"""

from collections.abc import Sequence

from espnet_mtla.bin import run
from espnet_mtla.checkpoint import check_language_model


def perplexity(argv: Sequence[str] | None = None) -> None:
    """Measure it; everything is an option of ESPnet's (``sys.argv`` when None).

    Raises:
        InputError: the model is missing, broken or another one's.
    """
    from espnet_mtla import compat

    command = compat.perplexity_module()
    args = command.get_parser().parse_args(argv)
    check_language_model(args.train_config, args.model_file)
    command.main(argv)


if __name__ == "__main__":
    run(perplexity)
