"""Variants learn to read their prompt, also one that says nothing at first.

The task: a text is a walk over symbols, each with two successors, and the prompt holds
each symbol for some frames. At first the prompt is noise, as the output of an encoder
that has not learnt anything is, and the text alone tells half of the successors. Then
it is speech, and attention has to find it. Gates of temporal merging that closed in the
noise (MTLA's, as they were learnt in version 0.1.0) keep it from that, where the
context is the prompt; source attention learns it with such gates too.
"""

from statistics import fmean

import pytest
import torch
import torch.nn.functional as F

from espnet_mtla.decoder.variants import decoder_class
from espnet_mtla.variant import parse

SYMBOLS, WIDTH, LENGTH, BATCH = 20, 32, 8, 16
TESTED = 8  # batches
LEARNERS = [("mha", "prompt"), ("mtla2", "prompt"), ("mtla4", "prompt")]
LEARNERS += [("mtla4", "cross")]
"""What temporal merging and the context may change; that other forms compute what the
paper says is tested elsewhere."""


class Task:
    """Draws batches of prompts and texts.

    Args:
        seed: of all that is drawn.
    """

    noise_steps, steps = 300, 460

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

    def text(self) -> torch.Tensor:
        """Texts behind <sos>, ``(B, L + 1)``."""
        text = [self.integers(1, SYMBOLS + 1, BATCH)]
        while len(text) < LENGTH:
            choice = self.integers(0, 2, BATCH)
            text.append(self.successors[text[-1] - 1, choice])
        return torch.stack([torch.zeros_like(text[0]), *text], dim=1)

    def batch(self, noise: bool) -> tuple[torch.Tensor, ...]:
        """Prompts ``(B, T, D)``, their lengths, and texts ``(B, L + 1)``."""
        text = self.text()
        ends = self.integers(3, 6, BATCH, LENGTH).cumsum(1)
        lengths = ends[:, -1]
        frames = torch.arange(int(lengths.max())).expand(BATCH, -1).contiguous()
        at = torch.searchsorted(ends, frames, right=True).clamp(max=LENGTH - 1)
        heard = self.normal(BATCH, frames.shape[1], WIDTH)
        if not noise:
            heard = heard + self.sounds[0, text.gather(1, at + 1)]
            heard = heard + self.sounds[1, text.gather(1, at)]
        return F.layer_norm(heard, (WIDTH,)), lengths, text


class Shouted(Task):
    """One frame of each chunk is speech, the others are louder noise."""

    noise_steps, steps, stride = 0, 480, 4

    def __init__(self, seed: int):
        super().__init__(seed)
        self.mark = 2 * self.normal(WIDTH)  # by which noise is known

    def batch(self, noise: bool) -> tuple[torch.Tensor, ...]:
        """See :meth:`Task.batch`; prompts fill their chunks."""
        text = self.text()
        frames = torch.arange(self.stride * LENGTH)
        at = frames // self.stride
        place = self.integers(0, self.stride, BATCH, LENGTH)[:, at]
        heard = 0.5 * self.normal(BATCH, len(frames), WIDTH)
        heard = heard + self.sounds[0, text[:, 1:][:, at]]
        heard = heard + self.sounds[1, text[:, :-1][:, at]]
        shouted = 3 * self.normal(BATCH, len(frames), WIDTH) + self.mark
        self.is_speech = place == frames % self.stride
        prompt = torch.where(self.is_speech[..., None], heard, shouted)
        prompt = F.layer_norm(prompt, (WIDTH,))
        return prompt, torch.full((BATCH,), len(frames)), text


def accuracy(decoder: torch.nn.Module, task: Task) -> float:
    """Train, then score fresh texts teacher-forced: the share of right symbols."""
    right = []
    optimizer = torch.optim.Adam(decoder.parameters(), lr=2e-3)
    sizes = torch.full((BATCH,), LENGTH)
    for step in range(task.steps + TESTED):
        prompt, lengths, text = task.batch(noise=step < task.noise_steps)
        logits, _ = decoder(prompt, lengths, text[:, :-1], sizes)
        if step >= task.steps:
            right.append((logits.argmax(-1) == text[:, 1:]).float().mean().item())
            continue
        loss = F.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return fmean(right)


def built(variant: str, context: str, seed: int) -> torch.nn.Module:
    """A small decoder of a variant, started from a seed."""
    found, options = parse(variant)
    sizes = {"attention_heads": 4, "linear_units": 2 * WIDTH, "num_blocks": 2}
    torch.manual_seed(seed)
    return decoder_class(found.name)(
        SYMBOLS + 1, WIDTH, context=context, dropout_rate=0.0, **sizes, **options
    )


def learnt(variant: str, context: str = "prompt", gain: float | None = None) -> float:
    """Mean accuracy of three fixed seeds; ``gain`` of gates, if another is tried."""
    found = []
    for seed in (1, 2, 3):
        decoder = built(variant, context, seed)
        for name, gate_gain in decoder.named_buffers():
            if gain is not None and name.endswith("gate_gain"):
                gate_gain.fill_(gain)
        found.append(accuracy(decoder, Task(seed)))
    return fmean(found)


@pytest.mark.parametrize(("variant", "context"), LEARNERS)
def test_learns_to_read_the_prompt(variant, context):
    assert learnt(variant, context) > 0.85


def test_unscaled_gates_would_not():
    """What the first test is for."""
    assert learnt("mtla4", gain=1.0) < 0.82


@pytest.mark.parametrize("seed", [1, 2])
def test_gates_are_learnt_all_the_same(seed):
    """They prefer frames that say something to noise that can be known."""
    task = Shouted(seed)
    decoder = built("mtla4", "prompt", seed)
    accuracy(decoder, task)
    prompt, lengths, _ = task.batch(noise=False)
    for layer in decoder.layers:
        with torch.no_grad():
            layout = layer.layout(lengths, prompt.shape[1], 0)
            frames = layer.norm1(decoder._prompt(prompt, lengths))
            latent, _ = layer.self_attn._latent(frames, layout.prompt_phase)
            weighted = layer.self_attn._weigh(latent, layout.prompt_embedding)
        gates = weighted.norm(dim=-1) / latent.norm(dim=-1)
        heard, shouted = gates[task.is_speech], gates[~task.is_speech]
        assert heard.mean() > shouted.mean() + 0.05
