"""Training of a task: registers our decoders and hands over to ESPnet.

Everything is an option of ESPnet's own ``<task>_train``; the one thing added
is that ``--config`` may be given several times. The files are merged in order
(maps key by key, everything else replaced), so that a recipe's training
configuration and a decoder's fragment stay apart. A decoder of ESPnet's own then gets
the sizes that ours would have (:mod:`espnet_mtla.stock`).
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from espnet_mtla.checkpoint import check_pretrained, put_broken_aside
from espnet_mtla.config import take_option, training_config
from espnet_mtla.errors import InputError
from espnet_mtla.files import atomic_open


def train(task: str, argv: Sequence[str] | None = None) -> None:
    """Run ESPnet's training of ``task`` with our decoders among its choices.

    Args:
        task: of :data:`espnet_mtla.task.TASKS`.
        argv: ESPnet's options; ``sys.argv`` when None.

    Raises:
        InputError: bad configuration files or decoder options.
    """
    configs, rest = take_option("config", sys.argv[1:] if argv is None else argv)
    outs, _ = take_option("output_dir", rest)
    for param in take_option("init_param", rest)[0]:
        check_pretrained(param)
    if outs:
        put_broken_aside(Path(outs[-1]) / "checkpoint.pth")
    if len(configs) > 1:
        if not outs:
            raise InputError("several --config need --output_dir, to merge them into")
        out = Path(outs[-1])
        merged = training_config(configs, rest)
        with atomic_open(out / "train.yaml") as f:
            f.write(f"# merged from {' '.join(configs)}\n")
            yaml.safe_dump(merged, f, sort_keys=False)
        configs = [str(out / "train.yaml")]
    # ESPnet takes many seconds to import: not before the configuration is read
    from espnet_mtla.tasks import task_class

    options = [word for path in configs for word in ("--config", path)]
    task_class(task).main(cmd=[*options, *rest])
