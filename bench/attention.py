"""Where a trained decoder's attention goes, epoch by epoch.

    python -m bench.attention egs2/must_c/st1/exp/mini/st_* --output attention.json

Of each layer, teacher-forced on validation utterances: the share of attention that lies
on the prompt; its entropy there, in parts of the largest possible; and of MTLA the mean
gate ``w`` of the prompt's frames. With source attention
(``context: cross``) the source is the prompt. Epochs are those whose ``<n>epoch.pth`` is
there (``--keep_nbest_models 16`` in training keeps all of sixteen).
"""

import argparse
import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F

from bench import machine
from bench.curves import config_of
from bench.tables import finish
from espnet_mtla.attention.hyper import HyperNetwork
from espnet_mtla.bin import run
from espnet_mtla.decoder.prompt import PromptDecoder
from espnet_mtla.errors import InputError
from espnet_mtla.scoring.trained import label_of


def weights(query, key, value=None, attn_mask=None, scale=None, **_) -> torch.Tensor:
    """Return the weights of ``scaled_dot_product_attention``, ``(B, heads, Q, S)``."""
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, float("-inf"))
    return scores.softmax(-1)


def shares(found: torch.Tensor, n_prompt: int, lengths: torch.Tensor, n_tokens: int):
    """Share of attention on the prompt, and its relative entropy there.

    Args:
        found: weights ``(B, heads, L, S)``, or ``(B, 1, L * heads, S)``.
        n_prompt: columns of the prompt, the first ones.
        lengths: of the texts, ``(B,)``.
        n_tokens: ``L``.
    """
    if found.shape[2] != n_tokens:  # heads are more queries of one
        found = found.squeeze(1).unflatten(1, (n_tokens, -1)).transpose(1, 2)
    valid = torch.arange(n_tokens) < lengths[:, None]
    on_prompt = found[..., :n_prompt].transpose(1, 2)[valid]  # (tokens, heads, S)
    mass = on_prompt.sum(-1)
    spread = on_prompt / mass.clamp(min=1e-9).unsqueeze(-1)
    entropy = -torch.special.xlogy(spread, spread).sum(-1)
    most = (on_prompt > 0).sum(-1).clamp(min=2).log()
    return mass.mean().item(), (entropy / most).mean().item()


@contextlib.contextmanager
def watched(decoder: PromptDecoder) -> Iterator[list[list[dict]]]:
    """Yield a list to which each batch appends its layers' figures."""
    attend, forward, batches = F.scaled_dot_product_attention, decoder.forward, []
    calls: list[torch.Tensor] = []
    gates: list[torch.Tensor] = []
    cross = hasattr(decoder.layers[0], "src_attn")

    def watching(*args, **kwargs):
        calls.append(weights(*args, **kwargs))
        return attend(*args, **kwargs)

    def gate(self, latent, embedding):
        gates.append(unwatched(self, latent, embedding).squeeze(-1))
        return gates[-1].unsqueeze(-1)

    def inside(hs_pad, hlens, ys_in_pad, ys_in_lens):
        calls.clear()
        gates.clear()
        out = forward(hs_pad, hlens, ys_in_pad, ys_in_lens)
        n_tokens = ys_in_pad.shape[1]
        layers = []
        for found in calls[1::2] if cross else calls:
            n_prompt = found.shape[-1] - (0 if cross else n_tokens)
            mass, entropy = shares(found, n_prompt, ys_in_lens, n_tokens)
            layers.append({"prompt": mass, "entropy": entropy})
        frames = torch.arange(hs_pad.shape[1]) < hlens[:, None]
        for layer, found in zip(layers, gates[1::2] if cross else gates):
            layer["gate"] = found[:, : hs_pad.shape[1]][frames].mean().item()
        batches.append(layers)
        return out

    unwatched = HyperNetwork._gate
    with (
        mock.patch.object(F, "scaled_dot_product_attention", watching),
        mock.patch.object(HyperNetwork, "_gate", gate),
        mock.patch.object(decoder, "forward", inside),
    ):
        yield batches


def of_checkpoint(experiment: Path, path: Path, n_utterances: int) -> list[dict]:
    """Figures of each layer of one checkpoint; run in the recipe's folder."""
    from espnet_mtla.tasks import task_class

    task = task_class(experiment.name.split("_")[0])
    model, args = task.build_model_from_file(experiment / "config.yaml", path, "cpu")
    if not hasattr(model.decoder, "layers"):
        raise InputError(f"{experiment}: its decoder is not one of ours")
    batches = task.build_streaming_iterator(
        args.valid_data_path_and_name_and_type,
        dtype="float32",
        batch_size=min(10, n_utterances),
        num_workers=0,
        ngpu=0,
        preprocess_fn=task.build_preprocess_fn(args, False),
        collate_fn=task.build_collate_fn(args, False),
    )
    model.eval()
    with torch.no_grad(), watched(model.decoder) as seen:
        for _, batch in batches:
            model(**batch)
            if 10 * len(seen) >= n_utterances:
                break
    return [
        {name: math.fsum(x[name] for x in layer) / len(layer) for name in layer[0]}
        for layer in zip(*seen)
    ]


def of_experiment(experiment: Path, n_utterances: int) -> dict:
    """Figures of every epoch that is there.

    Raises:
        InputError: there is none, or it lies in no recipe.
    """
    experiment = experiment.resolve()
    config = config_of(experiment)
    found = {
        int(match[1]): path
        for path in experiment.glob("*epoch.pth")
        if (match := re.fullmatch(r"(\d+)epoch\.pth", path.name))
    }
    recipe = next((p for p in experiment.parents if (p / "run.sh").is_file()), None)
    if not found or recipe is None:
        raise InputError(f"{experiment}: no <n>epoch.pth there, or no recipe around it")
    with contextlib.chdir(recipe):
        epochs = {
            epoch: of_checkpoint(experiment, found[epoch], n_utterances)
            for epoch in sorted(found)
        }
    return {
        "experiment": experiment.name,
        "decoder": label_of(config),
        "seed": config.get("seed", 0),
        "epochs": epochs,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Print and write where attention goes."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.attention", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("experiments", nargs="+", type=Path)
    parser.add_argument(
        "--utterances", type=machine.count, default=50, help="at least so many (50)"
    )
    parser.add_argument("--output", type=machine.json_file, help="JSON of the figures")
    args = parser.parse_args(argv)
    machine.set_up("cpu", 1)
    experiments = [of_experiment(e, args.utterances) for e in args.experiments]
    about = machine.describe("cpu")
    data = {"bench": "attention", "machine": about, "experiments": experiments}
    finish(data, args.output, argv)


if __name__ == "__main__":
    run(main)
