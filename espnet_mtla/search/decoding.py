"""Decoding of a task: ESPnet's options, model and files, our search, in batches.

ESPnet decodes one utterance at a time in most tasks. An utterance is what a task
decodes, speech or a text. Here ``--batch_frames`` bounds a batch, by its padded
frames times the beam, and if given ``--batch_size``, by utterances; utterances are
sorted by length, hypotheses do not depend on the batching, and outputs come in input
order: ``text`` and
``<n>best_recog/{text,token,token_int,score}`` as ESPnet's, and
``efficiency.json`` (time, memory, cache; see :mod:`espnet_mtla.scoring`). Until they are
whole a journal beside them keeps what is found; killed, the same command goes on.
"""

import argparse
import inspect
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from espnet_mtla import limits
from espnet_mtla.checkpoint import check_checkpoint, check_language_model
from espnet_mtla.errors import InputError
from espnet_mtla.search.batch import frames_at
from espnet_mtla.search.narrow import NARROW, check_narrow
from espnet_mtla.search.recognizer import Recognizer
from espnet_mtla.search.testset import DATA, Data, decode_set
from espnet_mtla.task import TASKS

logger = logging.getLogger(__name__)

ESPNETS_WAY = [
    "enh_s2t_task",
    "multi_asr",
    "streaming",
    "time_sync",
    "partial_ar",
    "word_lm_train_config",
    "run_chunk",
    "ctc_greedy",
    "hugging_face_decoder",
]
"""ESPnet's options that decode, or write, in ways of their own: its command does."""
QUANTISES = "quantize_asr_model", "quantize_s2t_model", "quantize_lm"
OURS = "batch_frames", "search", "config"
"""Options that its command does not take, and the file that others were read from."""


def inference_parser(task: str) -> argparse.ArgumentParser:
    """ESPnet's ``<task>_inference`` options, ``--batch_frames`` and ``--search``."""
    from espnet_mtla import compat

    bound = "Most utterances in a batch; 0 for no bound by their number"
    parser = compat.inference_parser(task, {"batch_size": bound}, {"dtype": [NARROW]})
    parser.set_defaults(batch_size=0)
    parser.add_argument(
        "--batch_frames",
        type=_bound,
        default="50000x50",
        help="Most padded frames of 10 ms, or units of text, in a batch. 50000x50: "
        "50000 at a beam of 50, in proportion more at a smaller one and fewer at a "
        "larger one; 50000: as many at any beam; 0: no bound",
    )
    parser.add_argument(
        "--search",
        choices=("fast", "espnet"),
        default="fast",
        help="espnet: ESPnet's own search, an utterance at a time",
    )
    return parser


def espnets_ways(args: argparse.Namespace) -> list[str]:
    """Return the options given with which ESPnet's own command decodes."""
    return [name for name in ESPNETS_WAY if getattr(args, name, None)]


def _bound(given: str) -> str:
    try:
        frames_at(given, 1)
    except ValueError as e:
        raise argparse.ArgumentTypeError(e) from None
    return given


def parse(task: str, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse and check the options of :func:`inference_parser`.

    Returns:
        The options; ``batch_frames`` as a number, at the beam given.

    Raises:
        InputError: an option out of range or a missing file.
    """
    args = inference_parser(task).parse_args(argv)
    # before anything of ESPnet's logs, which would set logging up by itself
    logging.basicConfig(
        level=args.log_level,
        format="%(asctime)s (%(module)s:%(lineno)d) %(levelname)s: %(message)s",
    )
    limits.check(vars(args), limits.DECODING, "--{}".format)
    try:
        args.batch_frames = frames_at(args.batch_frames, args.beam_size)
    except ValueError as e:  # what a YAML file has as a number is not parsed
        raise InputError(f"--batch_frames {e}") from None
    if args.ngpu > 1:
        raise InputError(f"--ngpu {args.ngpu}: decoding runs on one GPU, give 0 or 1")
    if args.ngpu and not torch.cuda.is_available():
        raise InputError(f"--ngpu {args.ngpu}: PyTorch finds no GPU here, give 0")
    if args.dtype == NARROW:
        check_narrow("cuda" if args.ngpu else "cpu")
        others = ["search espnet"] if args.search == "espnet" else espnets_ways(args)
        others += [k for k, v in vars(args).items() if v and k in QUANTISES]
        if others:
            raise InputError(f"--dtype {NARROW}: not with --{others[0]}; give float32")
    if Path(args.output_dir).exists() and not Path(args.output_dir).is_dir():
        raise InputError(f"--output_dir {args.output_dir} is a file: give a folder")
    paths = [(n, getattr(args, n, None)) for n in ("lm_train_config", "lm_file")]
    paths += [("key_file", args.key_file), ("ngram_file", args.ngram_file)]
    paths += [(DATA, path) for path, _, _ in getattr(args, DATA)]
    names = [name for _, name, _ in getattr(args, DATA)]
    if TASKS[task].decodes not in names:
        raise InputError(
            f"--{DATA} names {', '.join(names)}: give {TASKS[task].decodes}"
        )
    for name, path in paths:
        if path is not None and not Path(path).is_file():
            raise InputError(f"--{name} {path}: no such file")
    for config, file in (
        (f"{task}_train_config", f"{task}_model_file"),
        ("lm_train_config", "lm_file"),
    ):
        if getattr(args, config) is None and getattr(args, file):  # as ESPnet does
            beside = Path(getattr(args, file)).with_name("config.yaml")
            setattr(args, config, str(beside))
    config = getattr(args, f"{task}_train_config")
    if not args.model_tag:
        check_checkpoint(config, getattr(args, f"{task}_model_file"))
    if args.lm_train_config or args.lm_file:
        if args.lm_weight <= 0:
            raise InputError(
                f"--lm_weight {args.lm_weight}: give the language model more than 0"
            )
        check_language_model(args.lm_train_config, args.lm_file, config)
    return args


def load(task: str, args: argparse.Namespace) -> Any:
    """Return ESPnet's ``Speech2Text`` of parsed options."""
    from espnet_mtla import compat, registry

    registry.register([task])
    speech2text = compat.speech2text_class(task)
    known = inspect.signature(speech2text.__init__).parameters
    options = {k: v for k, v in vars(args).items() if k in known}
    # with batch_size 1 ESPnet sets up BatchBeamSearch, which takes batches
    options.update(batch_size=1, device="cuda" if args.ngpu else "cpu")
    if args.dtype == NARROW:  # weights stay, the recogniser computes in it
        options["dtype"] = "float32"
    try:
        made = speech2text.from_pretrained(args.model_tag, **options)
    except TypeError as e:  # of another task's options
        config = getattr(args, f"{task}_train_config")
        raise InputError(f"{config}: ESPnet makes no {task} model of it: {e}") from e
    if made.beam_search is not None:  # st_inference takes this option and forgets it
        made.beam_search.normalize_length = args.normalize_length
    return made


def inference(task: str, argv: Sequence[str] | None = None) -> None:
    """Decode a test set.

    Args:
        task: of :data:`espnet_mtla.task.TASKS`.
        argv: options; ``sys.argv`` when None.

    Raises:
        InputError: bad options or files, a model that gives NaN, or utterances that could
            not be decoded, when all others are.
    """
    args = parse(task, argv)
    from espnet_mtla import compat

    if ways := espnets_ways(args):
        logger.warning("--%s: decoded by ESPnet's own %s_inference", ways[0], task)
        given = {k: v for k, v in vars(args).items() if k not in OURS}
        compat.inference_module(task).inference(**given | {"batch_size": 1})
        return
    torch.manual_seed(args.seed)
    recognizer = Recognizer(
        load(task, args),
        ours=args.search == "fast",
        dtype=NARROW if args.dtype == NARROW else "",
    )
    recognizer.log()
    decode_set(recognizer, Data(recognizer, args), args)
