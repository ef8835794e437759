"""Decoding of a task: ESPnet's options, model and beam search, in batches.

ESPnet decodes one utterance at a time in most tasks. An utterance is what a task
decodes, speech or a text. Here ``--batch_frames`` bounds a batch, by its padded
frames times the beam, and if given ``--batch_size``, by utterances; utterances are
sorted by length, hypotheses do not depend on the batching, and outputs come in input
order: ``text`` and
``<n>best_recog/{text,token,token_int,score}`` as ESPnet's, and
``efficiency.json`` (time, memory, cache; see :mod:`espnet_mtla.scoring`).
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from espnet_mtla import limits
from espnet_mtla.checkpoint import check_checkpoint, check_language_model
from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open, read_table
from espnet_mtla.search.batch import frames_at, halving, plan_batches
from espnet_mtla.search.recognizer import Recognizer

logger = logging.getLogger(__name__)

DATA = "data_path_and_name_and_type"
NOT_BATCHED = [
    "enh_s2t_task",
    "multi_asr",
    "streaming",
    "time_sync",
    "partial_ar",
    "word_lm_train_config",
]
"""ESPnet's options that decode in ways of their own."""


def inference_parser(task: str) -> argparse.ArgumentParser:
    """ESPnet's ``<task>_inference`` options and ``--batch_frames``."""
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
    for name in NOT_BATCHED:
        if getattr(args, name, None):
            raise InputError(f"--{name}: only ESPnet's own {task}_inference has that")
    if args.ngpu > 1:
        raise InputError(f"--ngpu {args.ngpu}: decoding runs on one GPU, give 0 or 1")
    paths = [(n, getattr(args, n, None)) for n in ("lm_train_config", "lm_file")]
    paths += [("key_file", args.key_file), ("ngram_file", args.ngram_file)]
    paths += [(DATA, path) for path, _, _ in getattr(args, DATA)]
    for name, path in paths:
        if path is not None and not Path(path).is_file():
            raise InputError(f"--{name} {path}: no such file")
    config = getattr(args, f"{task}_train_config")
    check_checkpoint(config, getattr(args, f"{task}_model_file"))
    if args.lm_train_config or args.lm_file:
        if args.lm_weight <= 0:
            raise InputError(
                f"--lm_weight {args.lm_weight}: give the language model more than 0"
            )
        check_language_model(args.lm_train_config, args.lm_file, config)
    return args


def write_outputs(out: Path, keys: Sequence[str], results: list, nbest: int) -> None:
    """Write n-best lists in the order of ``keys``; see the module's head."""
    for n in range(nbest):
        found = [r[n] if n < len(r) else ("", [], [], "") for r in results]
        columns = {
            "text": [text for text, *_ in found],
            "token": [" ".join(token) for _, token, *_ in found],
            "token_int": [" ".join(map(str, ints)) for _, _, ints, _ in found],
            "score": [str(score) for *_, score in found],
        }
        folder = out / f"{n + 1}best_recog"
        folder.mkdir(parents=True, exist_ok=True)
        for name, values in columns.items():
            paths = [folder / name] + ([out / name] if (n, name) == (0, "text") else [])
            for path in paths:
                with atomic_open(path) as f:
                    f.writelines(
                        f"{k} {v}".rstrip() + "\n" for k, v in zip(keys, values)
                    )


def inference(task: str, argv: Sequence[str] | None = None) -> None:
    """Decode a test set.

    Args:
        task: of :data:`espnet_mtla.task.TASKS`.
        argv: options; ``sys.argv`` when None.

    Raises:
        InputError: bad options or files, or an utterance larger than memory.
    """
    args = parse(task, argv)
    from espnet_mtla import compat
    from espnet_mtla.search.graph import CAPTURES
    from espnet_mtla.search.meter import CacheMeter, Meter

    logging.basicConfig(
        level=args.log_level,
        format="%(asctime)s (%(module)s:%(lineno)d) %(levelname)s: %(message)s",
    )
    torch.manual_seed(args.seed)
    recognizer = Recognizer(task, args)
    # text becomes units as in training
    preprocess = compat.task_class(task).build_preprocess_fn(
        recognizer.train_args, train=False
    )
    data = compat.dataset_class()(args.data_path_and_name_and_type, preprocess)
    keys = list(data)
    if args.key_file:
        wanted = read_table(args.key_file)
        unknown = [key for key in wanted if key not in set(keys)]
        if unknown:
            raise InputError(f"{args.key_file}: {unknown[0]} is not in the data")
        keys = list(wanted)
    cache = CacheMeter(recognizer.decoder)

    def load(key: str) -> torch.Tensor:
        return torch.from_numpy(data[key][1][recognizer.input.name])

    sizes = [len(load(key)) for key in keys]
    frames = [n / recognizer.input.frame for n in sizes]
    results: list = [None] * len(keys)
    with Meter(recognizer.device) as meter:
        for batch in plan_batches(frames, args.batch_size, args.batch_frames):
            names = [keys[i] for i in batch]
            inputs = [load(key) for key in names]
            for i, found in zip(batch, halving(recognizer, inputs, names)):
                results[i] = found
    out = Path(args.output_dir)
    write_outputs(out, keys, results, args.nbest)
    decoder = recognizer.model.decoder
    attention = getattr(decoder, "attention", None)
    source = getattr(decoder.layers[0], "src_attn", None) if attention else None
    summary = {
        **meter.result(),
        "cache_bytes": cache.peak,
        "cache_elements": attention.cache_elements if attention else None,
        "source_elements": source.cache_elements if source else None,
        "utterances": len(keys),
        recognizer.input.measure: round(sum(sizes) / recognizer.input.unit, 2),
        "parameters": sum(p.numel() for p in recognizer.model.parameters()),
        "beam_size": args.beam_size,
        "batch_size": args.batch_size,
        "batch_frames": args.batch_frames,
        "device": _device_name(recognizer.device),
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
    logger.info("decoded %d utterances in %.1f s", len(keys), meter.seconds)


def _device_name(device: str) -> str:
    """What tables call it."""
    return torch.cuda.get_device_name() if device == "cuda" else "cpu"
