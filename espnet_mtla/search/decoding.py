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
import hashlib
import inspect
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from espnet_mtla import __version__, limits
from espnet_mtla.checkpoint import check_checkpoint, check_language_model
from espnet_mtla.config import take_option
from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open, read_table
from espnet_mtla.search.batch import Failure, frames_at, plan_batches
from espnet_mtla.search.graph import CAPTURES
from espnet_mtla.search.outputs import Journal, Outputs, write_outputs
from espnet_mtla.search.recognizer import Recognizer

logger = logging.getLogger(__name__)

DATA = "data_path_and_name_and_type"
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
NO_RESULT = ["output_dir", "log_level", "num_workers", "batch_size", "batch_frames"]
"""Options that hypotheses do not depend on."""


def inference_parser(task: str) -> argparse.ArgumentParser:
    """ESPnet's ``<task>_inference`` options, ``--batch_frames`` and ``--search``."""
    from espnet_mtla import compat

    bound = "Most utterances in a batch; 0 for no bound by their number"
    parser = compat.inference_parser(task, {"batch_size": bound})
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
    limits.check(vars(args), limits.DECODING, "--{}".format)
    try:
        args.batch_frames = frames_at(args.batch_frames, args.beam_size)
    except ValueError as e:  # what a YAML file has as a number is not parsed
        raise InputError(f"--batch_frames {e}") from None
    if args.ngpu > 1:
        raise InputError(f"--ngpu {args.ngpu}: decoding runs on one GPU, give 0 or 1")
    paths = [(n, getattr(args, n, None)) for n in ("lm_train_config", "lm_file")]
    paths += [("key_file", args.key_file), ("ngram_file", args.ngram_file)]
    paths += [(DATA, path) for path, _, _ in getattr(args, DATA)]
    for name, path in paths:
        if path is not None and not Path(path).is_file():
            raise InputError(f"--{name} {path}: no such file")
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
    made = speech2text.from_pretrained(args.model_tag, **options)
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

    logging.basicConfig(
        level=args.log_level,
        format="%(asctime)s (%(module)s:%(lineno)d) %(levelname)s: %(message)s",
    )
    if ways := [name for name in ESPNETS_WAY if getattr(args, name, None)]:
        logger.warning("--%s: decoded by ESPnet's own %s_inference", ways[0], task)
        words = without(sys.argv[1:] if argv is None else argv, OURS)
        compat.inference_module(task).main(words)
        return
    torch.manual_seed(args.seed)
    recognizer = Recognizer(load(task, args), ours=args.search == "fast")
    recognizer.log()
    decode_set(recognizer, Data(recognizer, args), args)


OURS = ("batch_frames", "search")
"""Options that ESPnet's parsers do not have."""


def without(argv: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return a command line without some of its options."""
    words = list(argv)
    for name in names:
        _, words = take_option(name, words)
    return words


class Data:
    """A test set, as ESPnet's calls take its utterances.

    Args:
        recognizer: that decodes it.
        args: ESPnet's options.

    Raises:
        InputError: a key that is not in the data.
    """

    def __init__(self, recognizer: Recognizer, args: argparse.Namespace):
        from espnet_mtla import compat

        self.input = recognizer.input
        # text becomes units as in training
        preprocess = compat.task_class(recognizer.task).build_preprocess_fn(
            recognizer.train_args, train=False
        )
        # rates are looked at one by one
        self.data = compat.dataset_class()(
            getattr(args, DATA), preprocess, allow_multi_rates=True
        )
        self.keys = list(self.data)
        if args.key_file:
            wanted = read_table(args.key_file)
            unknown = [key for key in wanted if key not in set(self.keys)]
            if unknown:
                raise InputError(f"{args.key_file}: {unknown[0]} is not in the data")
            self.keys = list(wanted)

    def load(self, key: str) -> dict[str, torch.Tensor]:
        """Read an utterance.

        Raises:
            InputError: it is of another sampling rate than the model's.
        """
        found = self.data[key][1]
        loader = self.data.loader_dict.get(self.input.name)
        self.input.check_rate(getattr(loader, "rate", None), key)
        return {name: torch.from_numpy(value) for name, value in found.items()}


def decode_set(recognizer: Recognizer, data: Data, args: argparse.Namespace) -> None:
    """Decode all utterances of a test set and write what is found; see :func:`inference`."""
    from espnet_mtla.search.meter import CacheMeter, Meter

    out = Path(args.output_dir)
    out.mkdir(parents=True, exist_ok=True)
    journal = Journal(out / ".journal", about(args, data.keys))
    if journal.found:
        logger.info("%d utterances were decoded before", len(journal.found))
    outputs = Outputs(recognizer.inner, recognizer.model.eos)
    cache = CacheMeter(recognizer.decoder)
    failures: list[Failure] = []
    sizes: dict[str, int] = {}
    frames: list[float] = []
    keys: list[str] = []
    for key in data.keys:
        try:
            item = data.load(key)
        except Exception as e:  # noqa: BLE001  # of any reader
            failures.append(Failure(key, " ".join(str(e).split()) or type(e).__name__))
            continue
        sizes[key] = len(item[data.input.name])
        if key not in journal.found:
            keys.append(key)
            frames.append(recognizer.frames(item))
    with Meter(str(recognizer.inner.device)) as meter:
        for places in plan_batches(frames, args.batch_size, args.batch_frames):
            names = [keys[i] for i in places]
            begin = time.perf_counter()
            results = recognizer.decode([data.load(key) for key in names], names)
            failures += [r for r in results if isinstance(r, Failure)]
            found = {
                name: outputs.columns(result)
                for name, result in zip(names, results)
                if not isinstance(result, Failure)
            }
            journal.add(found, time.perf_counter() - begin)
    write_outputs(out, data.keys, journal.found, args.nbest)
    total = round(sum(sizes.values()) / data.input.unit, 2)
    summary = {
        **meter.result(),
        "seconds": round(journal.seconds, 3),
        "cache_bytes": cache.peak,
        **recognizer.cached(),
        "utterances": len(data.keys),
        data.input.measure: total,
        "parameters": sum(p.numel() for p in recognizer.model.parameters()),
        "beam_size": args.beam_size,
        "batch_size": args.batch_size,
        "batch_frames": args.batch_frames,
        "search": args.search,
        "device": _device_name(str(recognizer.inner.device)),
        "threads": torch.get_num_threads(),
        "dtype": args.dtype,
        "torch": torch.__version__,
    }
    if CAPTURES.count:
        summary["graph_captures"] = CAPTURES.count
        summary["graph_capture_seconds"] = round(CAPTURES.seconds, 3)
    with atomic_open(out / "efficiency.json") as f:
        json.dump(summary, f, indent=2)
        f.write("\n")
    logger.info("decoded %d utterances in %.1f s", len(data.keys), journal.seconds)
    if failures:
        for failure in failures:
            logger.error("%s: %s", failure.name, failure.reason)
        raise InputError(
            f"{len(failures)} of {len(data.keys)} utterances could not be decoded and are "
            f"left empty in {out}, as {failures[0].name}: {failures[0].reason}"
        )
    journal.remove()


def about(args: argparse.Namespace, keys: Sequence[str]) -> dict[str, Any]:
    """Return all that hypotheses depend on: options, files as they are, utterances."""
    files = [v for v in vars(args).values() if isinstance(v, str) and Path(v).is_file()]
    files += [path for path, _, _ in getattr(args, DATA)]
    stats = {path: Path(path).stat() for path in files}
    return {
        "options": {k: v for k, v in vars(args).items() if k not in NO_RESULT},
        "files": {path: (s.st_size, s.st_mtime_ns) for path, s in stats.items()},
        "keys": hashlib.sha256("\n".join(keys).encode()).hexdigest(),
        "version": __version__,
    }


def _device_name(device: str) -> str:
    """What tables call it."""
    return torch.cuda.get_device_name() if device == "cuda" else "cpu"
