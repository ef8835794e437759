"""A model built without weights, to refuse a configuration before hours of data preparation."""

from collections.abc import Mapping, Sequence

from espnet_mtla.errors import InputError
from espnet_mtla.nearest import did_you_mean

TOKENS = ["<blank>", "<unk>", "a", "<sos/eos>"]
FAULTS = (TypeError, ValueError, KeyError, AttributeError, AssertionError, RuntimeError)
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
