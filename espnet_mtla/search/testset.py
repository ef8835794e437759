"""A test set: its utterances, their decoding in batches, and what is written of it."""

import argparse
import hashlib
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from espnet_mtla import __version__
from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open, read_table
from espnet_mtla.search.batch import Failure, plan_batches
from espnet_mtla.search.graph import CAPTURES
from espnet_mtla.search.outputs import Journal, Outputs, write_outputs
from espnet_mtla.search.recognizer import Recognizer

logger = logging.getLogger(__name__)

DATA = "data_path_and_name_and_type"
NO_RESULT = ["output_dir", "log_level", "num_workers", "batch_size", "batch_frames"]
"""Options that hypotheses do not depend on."""


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
            known, self.keys = set(self.keys), list(read_table(args.key_file))
            unknown = [key for key in self.keys if key not in known]
            if unknown:
                raise InputError(f"{args.key_file}: {unknown[0]} is not in the data")

    def load(self, key: str) -> dict[str, torch.Tensor]:
        """Read an utterance.

        Raises:
            InputError: it is of another sampling rate than the model's.
        """
        found = self.data[key][1]
        loader = self.data.loader_dict.get(self.input.name)
        self.input.check_rate(getattr(loader, "rate", None))
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
    frames: dict[str, float] = {}
    samples = 0
    for key in data.keys:
        try:
            item = data.load(key)
        except Exception as e:  # noqa: BLE001  # of any reader
            failures.append(Failure(key, " ".join(str(e).split()) or type(e).__name__))
            continue
        samples += len(item[data.input.name])
        if key not in journal.found:
            frames[key] = recognizer.frames(item)
    keys = list(frames)
    plan = plan_batches(list(frames.values()), args.batch_size, args.batch_frames)
    with Meter(str(recognizer.inner.device)) as meter:
        for places in plan:
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
    summary = {
        **meter.result(),
        "seconds": round(journal.seconds, 3),
        "cache_bytes": cache.peak,
        **recognizer.cached(),
        "utterances": len(data.keys),
        data.input.measure: round(samples / data.input.unit, 2),
        **setting(recognizer, args),
    }
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


def setting(recognizer: Recognizer, args: argparse.Namespace) -> dict[str, Any]:
    """Return what time and memory of a decoding depend on."""
    device = str(recognizer.inner.device)
    found = {
        "parameters": sum(p.numel() for p in recognizer.model.parameters()),
        "beam_size": args.beam_size,
        "batch_size": args.batch_size,
        "batch_frames": args.batch_frames,
        "search": args.search,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "dtype": args.dtype,
        "torch": torch.__version__,
    }
    if CAPTURES.count:
        found["graph_captures"] = CAPTURES.count
        found["graph_capture_seconds"] = round(CAPTURES.seconds, 3)
    return found


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
