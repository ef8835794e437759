"""Where attention goes, and learning curves: as counted by hand, batched as alone."""

import math
import random

import pytest
import torch
import torch.nn.functional as F
import yaml

from bench import attention, curves
from espnet_mtla.decoder.variants import decoder_class
from espnet_mtla.errors import InputError
from espnet_mtla.variant import VARIANTS

ATTEND = F.scaled_dot_product_attention


@pytest.mark.parametrize("groups", [4, 2, 1])
def test_weights_are_those_of_pytorch(groups):
    query, key = torch.randn(2, 4, 5, 6), torch.randn(2, groups, 9, 6)
    mask = torch.rand(2, 1, 5, 9) < 0.7
    mask[..., 0] = True
    options = {"attn_mask": mask, "scale": random.choice([None, 0.7])}
    value = torch.eye(9).expand(2, groups, 9, 9)  # its outputs are the weights
    want = F.scaled_dot_product_attention(
        query, key, value, enable_gqa=groups != 4, **options
    )
    got = attention.weights(query, key, value, enable_gqa=groups != 4, **options)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("absorbed", [False, True])
def test_shares_are_means_over_tokens_and_heads(absorbed):
    n_tokens, heads, n_prompt = 4, 3, 5
    found = torch.rand(2, heads, n_tokens, 9)
    found[0, :, :, 3] = 0  # not seen
    found = found / found.sum(-1, keepdim=True)
    lengths = torch.tensor([2, 4])
    masses, entropies = [], []
    for b, length in enumerate(lengths.tolist()):
        for n in range(length):
            for h in range(heads):
                prompt = [w for w in found[b, h, n, :n_prompt].tolist() if w]
                masses.append(sum(prompt))
                parts = [w / sum(prompt) for w in prompt]
                entropy = -sum(w * math.log(w) for w in parts)
                entropies.append(entropy / math.log(len(parts)))
    if absorbed:  # as latent attention has them
        found = found.transpose(1, 2).flatten(1, 2).unsqueeze(1)
    got = attention.shares(found, n_prompt, lengths, n_tokens)
    want = (sum(x) / len(x) for x in (masses, entropies))
    assert got == pytest.approx(tuple(want), rel=1e-5)


@pytest.mark.parametrize("context", ["prompt", "cross"])
@pytest.mark.parametrize("kind", VARIANTS)
@torch.no_grad()
def test_a_batch_s_figures_are_those_of_its_utterances(kind, context):
    sizes = {"attention_heads": 2, "linear_units": 12, "num_blocks": 2}
    decoder = decoder_class(kind)(11, 16, context=context, **sizes).eval()
    for p in decoder.parameters():
        p.mul_(3)
    for scale in decoder.buffers():
        scale.fill_(1.0)
    n_frames, n_tokens = torch.tensor([17, 12, 9]), torch.tensor([3, 6, 4])
    prompt, text = torch.randn(3, 17, 16), torch.randint(1, 11, (3, 6))
    with attention.watched(decoder) as seen:
        decoder(prompt, n_frames, text, n_tokens)
        for b in range(3):
            t, n = n_frames[b], n_tokens[b]
            decoder(prompt[b : b + 1, :t], t[None], text[b : b + 1, :n], n[None])
    whole, *alone = seen
    for i, layer in enumerate(whole):
        names = {"prompt", "entropy"} | ({"gate"} if kind == "mtla" else set())
        assert set(layer) == names
        for name, value in layer.items():
            sizes = n_frames if name == "gate" else n_tokens
            parts = [a[i][name] * int(size) for a, size in zip(alone, sizes)]
            assert value == pytest.approx(sum(parts) / int(sizes.sum()), abs=1e-5)
        all_of_it = layer["prompt"] == pytest.approx(1, abs=1e-5)
        assert all_of_it == (context == "cross")
    assert F.scaled_dot_product_attention is ATTEND  # put back


def experiment(folder, decoder, seed, accuracies):
    folder.mkdir()
    conf = {"decoder": decoder, "seed": seed}
    (folder / "config.yaml").write_text(yaml.safe_dump(conf))
    stats = {n: {"valid": {"acc": a}} for n, a in enumerate(accuracies, start=1)}
    checkpoint = {"reporter": {"epoch": len(stats), "stats": stats}}
    torch.save(checkpoint, folder / "checkpoint.pth")
    return str(folder)


def test_curves_stand_beside_each_other(tmp_path, capsys):
    a = experiment(tmp_path / "st_a", "mtla", 2, [0.5, 0.75])
    b = experiment(tmp_path / "st_b", "mha", 7, [0.25, 0.625, 0.875])
    curves.main([a, b, f"--output={tmp_path / 'curves.json'}"])
    lines = capsys.readouterr().out.splitlines()
    assert "| `mha` | 7 | 0.250 | 0.625 | 0.875 |" in lines
    assert "| `mtla s=2` | 2 | 0.500 | 0.750 |  |" in lines
    assert '"accuracy"' in (tmp_path / "curves.json").read_text()


def test_what_is_no_experiment_is_said(tmp_path):
    with pytest.raises(InputError, match="st_a: no experiment, it has no config.yaml"):
        curves.main([str(tmp_path / "st_a")])
    a = experiment(tmp_path / "st_a", "mtla", 2, [0.5])
    (tmp_path / "st_a/checkpoint.pth").unlink()
    with pytest.raises(InputError, match="st_a: no epoch is finished"):
        curves.main([a])
    with pytest.raises(InputError, match=r"st_a: no <n>epoch.pth there"):
        attention.main([a])
