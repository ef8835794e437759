"""Every variant learns to read its prompt, also one that says nothing at first.

The task: a text is a walk over symbols, each with two successors, and the prompt holds
each symbol for some frames. At first the prompt is noise, as the output of an encoder
that has not learnt anything is, and the text alone tells half of the successors. Then
it is speech, and attention has to find it. Gates of temporal merging that closed in the
noise (MTLA as it was started before) keep it from that.
"""

from statistics import fmean

import pytest
import torch
import torch.nn.functional as F

from espnet_mtla.registry import DECODERS

SYMBOLS, WIDTH, LENGTH, BATCH = 20, 32, 8, 16
NOISE_STEPS, STEPS, TESTED = 300, 460, 8
VARIANTS = {
    "mha": ("mha", {}),
    "mqa": ("mqa", {}),
    "gqa": ("gqa", {}),
    "mla": ("mla", {}),
    "mtla s=2": ("mtla", {"temporal_stride": 2}),
    "mtla s=4": ("mtla", {"temporal_stride": 4}),
}


class Task:
    """Draws batches of prompts and texts.

    Args:
        seed: of all that is drawn.
    """

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)
        # 0 is <sos>; a frame knows its symbol and the one before, as an encoder's does
        self.sounds = self.normal(2, SYMBOLS + 1, WIDTH)
        order = torch.rand(SYMBOLS, SYMBOLS, generator=self.generator).argsort(dim=1)
        self.successors = order[:, :2] + 1

    def normal(self, *size: int) -> torch.Tensor:
        return torch.randn(size, generator=self.generator)

    def integers(self, low: int, high: int, *size: int) -> torch.Tensor:
        return torch.randint(low, high, size, generator=self.generator)

    def batch(self, noise: bool) -> tuple[torch.Tensor, ...]:
        """Prompts ``(B, T, D)``, their lengths, and texts ``(B, L)`` behind <sos>."""
        text = [self.integers(1, SYMBOLS + 1, BATCH)]
        while len(text) < LENGTH:
            choice = self.integers(0, 2, BATCH)
            text.append(self.successors[text[-1] - 1, choice])
        text = torch.stack([torch.zeros_like(text[0]), *text], dim=1)
        ends = self.integers(3, 6, BATCH, LENGTH).cumsum(1)
        lengths = ends[:, -1]
        frames = torch.arange(int(lengths.max())).expand(BATCH, -1).contiguous()
        at = torch.searchsorted(ends, frames, right=True).clamp(max=LENGTH - 1)
        heard = self.normal(BATCH, frames.shape[1], WIDTH)
        if not noise:
            heard = heard + self.sounds[0, text.gather(1, at + 1)]
            heard = heard + self.sounds[1, text.gather(1, at)]
        return F.layer_norm(heard, (WIDTH,)), lengths, text


def accuracy(decoder: torch.nn.Module, seed: int) -> float:
    """Train, then score fresh texts teacher-forced: the share of right symbols."""
    task, right = Task(seed), []
    optimizer = torch.optim.Adam(decoder.parameters(), lr=2e-3)
    sizes = torch.full((BATCH,), LENGTH)
    for step in range(STEPS + TESTED):
        prompt, lengths, text = task.batch(noise=step < NOISE_STEPS)
        logits, _ = decoder(prompt, lengths, text[:, :-1], sizes)
        if step >= STEPS:
            right.append((logits.argmax(-1) == text[:, 1:]).float().mean().item())
            continue
        loss = F.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return fmean(right)


def trained_with(variant: str, context: str, start=lambda decoder: None) -> float:
    """Mean accuracy of three fixed seeds; ``start`` changes a decoder before."""
    name, options = VARIANTS[variant]
    sizes = {"attention_heads": 4, "linear_units": 2 * WIDTH, "num_blocks": 2}
    found = []
    for seed in (1, 2, 3):
        torch.manual_seed(seed)
        decoder = DECODERS[name](
            SYMBOLS + 1, WIDTH, context=context, dropout_rate=0.0, **sizes, **options
        )
        start(decoder)
        found.append(accuracy(decoder, seed))
    return fmean(found)


@pytest.mark.parametrize("variant", VARIANTS)
def test_learns_to_read_the_prompt(variant, context):
    assert trained_with(variant, context) > 0.85


def test_gates_as_fast_as_before_would_not():
    """What the first test is for: scores of gates that are not scaled."""

    def unscaled(decoder):
        for layer in decoder.layers:
            layer.self_attn.gate_scale.fill_(1.0)

    assert trained_with("mtla s=4", "prompt", unscaled) < 0.82
