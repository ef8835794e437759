"""Models and decoders built without weights, to refuse what does not fit before hours of work."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from typeguard import TypeCheckError

from espnet_mtla.errors import InputError
from espnet_mtla.nearest import did_you_mean
from espnet_mtla.stock import STOCK, Stock

if TYPE_CHECKING:
    import torch

TOKENS = ["<blank>", "<unk>", "a", "<sos/eos>"]
FAULTS = (
    *(TypeError, ValueError, KeyError, AttributeError, AssertionError, RuntimeError),
    TypeCheckError,
)
"""What ESPnet's classes raise for options that they do not take."""


def build(task: str, conf: Mapping[str, object], paths: Sequence[str]) -> None:
    """Build the model of a training on no device. ESPnet takes seconds to import.

    Args:
        task: ESPnet's.
        conf: its options, those of command lines too.
        paths: files that they come from, for the message.

    Raises:
        InputError: an option that the task, or a part of the model, does not have.
    """
    import torch

    from espnet_mtla.tasks import task_class

    espnet = task_class(task)
    args = espnet.get_parser().parse_args(["--output_dir", "x", "--token_list", "x"])
    for name in conf:
        if name not in args:
            hint = did_you_mean(name, vars(args))
            raise InputError(f"{', '.join(paths)}: ESPnet has no option {name}{hint}")
    vars(args).update(conf, token_list=TOKENS)
    if "src_token_list" in args:
        args.src_token_list = TOKENS
    if (
        args.frontend == "s3prl"
    ):  # which would fetch a model: its features' size will do
        args.frontend, args.input_size = None, 1024
    try:
        with torch.device("meta"):
            espnet.build_model(args)
    except FAULTS as e:
        said = " ".join(str(e).split())
        raise InputError(
            f"{', '.join(paths)}: this model cannot be built: {said}"
        ) from None


def build_decoder(
    name: str, vocabulary: int, size: int, options: Mapping[str, Any]
) -> "torch.nn.Module":
    """Build a decoder that recipes train on no device.

    Args:
        name: of :data:`espnet_mtla.variant.VARIANTS` or :data:`espnet_mtla.stock.STOCK`.
        vocabulary: ``V``.
        size: ``D``, the width of its encoder.
        options: its ``decoder_conf``.

    Raises:
        InputError: an option that it does not have, or out of range.
    """
    import torch

    from espnet_mtla.decoder.variants import decoder_class

    kind: type[torch.nn.Module]
    if name in STOCK:
        _check(STOCK[name], size, options)
        kind = STOCK[name].decoder()
    else:
        kind = decoder_class(name)
    try:
        with torch.device("meta"):
            return kind(vocabulary, size, **options)
    except InputError:
        raise
    except FAULTS as e:
        said = " ".join(str(e).split())
        raise InputError(f"decoder {name} cannot be built: {said}") from None


def _check(stock: Stock, size: int, options: Mapping[str, Any]) -> None:
    """Refuse sizes and rates as our decoders do; ESPnet's says less of what is wrong."""
    from espnet_mtla.attention.checks import head_width, positive, rate

    stock.check(options)
    found: dict[str, Any] = {**stock.options, **options}
    head_width(size, found["attention_heads"])
    for name, value in found.items():
        if name in ("linear_units", "num_blocks"):
            positive(name, value)
        elif name.endswith("_rate"):
            rate(name, value)
