"""Random settings of a search: decoder, language model, CTC, beam, lengths, batch."""

import random
from dataclasses import dataclass, field

import torch
from espnet2.asr.ctc import CTC
from espnet2.asr.decoder.transformer_decoder import TransformerDecoder
from espnet2.legacy.nets.batch_beam_search import BatchBeamSearch
from espnet2.legacy.nets.pytorch_backend.transformer.embedding import (
    PositionalEncoding,
    ScaledPositionalEncoding,
)
from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer
from espnet2.legacy.nets.scorers.length_bonus import LengthBonus
from espnet2.lm.seq_rnn_lm import SequentialRNNLM
from espnet2.lm.transformer_lm import TransformerLM

from espnet_mtla.decoder.variants import decoder_class
from espnet_mtla.search import ctc
from espnet_mtla.search.fast import FastBeamSearch
from espnet_mtla.search.view import use_view
from espnet_mtla.variant import VARIANTS


def maybe():
    return random.random() < 0.5


def stirred(module, spread):
    """Put a module into evaluation mode, its weights far from where they started."""
    for p in module.parameters():
        p.data.add_(spread * torch.randn_like(p))
    return module.eval()


def stock_decoder(vocab, size, **options):
    """ESPnet's decoder with options drawn; ``linear_units`` is odd."""
    drawn = {
        "attention_heads": random.choice([1, 2, 4]),
        "linear_units": 19,
        "num_blocks": random.randint(1, 3),
        "normalize_before": maybe(),
        "concat_after": maybe(),
        "qk_norm": maybe(),
        "use_sdpa": maybe(),
        "use_flash_attn": maybe(),
        "gradient_checkpoint_layers": random.choice([[], [1]]),
        "layer_drop_rate": random.choice([0.0, 0.3]),
        "pos_enc_class": random.choice([PositionalEncoding, ScaledPositionalEncoding]),
    }
    return stirred(TransformerDecoder(vocab, size, **drawn | options), 0.2)


def any_decoder(vocab, size):
    """ESPnet's as often as one of ours."""
    if maybe():
        return stock_decoder(vocab, size)
    kind = decoder_class(random.choice(list(VARIANTS)))
    context = random.choice(["prompt", "cross"])
    sizes = {"attention_heads": 2, "linear_units": 9, "num_blocks": 2}
    return stirred(kind(vocab, size, context=context, **sizes), 0.2)


def any_lm(vocab):
    """ESPnet's Transformer language model, or its recurrent one."""
    if maybe():
        return stirred(SequentialRNNLM(vocab, unit=9, nlayers=2), 0.3)
    pos_enc = random.choice([None, "sinusoidal"])
    sizes = {"embed_unit": 6, "att_unit": 16, "head": 2, "unit": 9, "layer": 2}
    return stirred(TransformerLM(vocab, pos_enc, **sizes), 0.3)


@dataclass
class Setting:
    """One drawn at random, with inputs."""

    vocab: int = field(default_factory=lambda: random.randint(6, 30))
    beam: int = field(default_factory=lambda: random.choice([1, 2, 3, 5, 8]))
    margin: int = field(default_factory=lambda: random.choice([0, 0, 2, 5, 100]))
    normalize: bool = field(default_factory=maybe)
    size: int = 16

    def __post_init__(self):
        self.beam = min(self.beam, self.vocab - 2)
        self.weights = {
            "decoder": 1.0,
            "lm": random.choice([0.0, 0.0, 0.4]),
            "length_bonus": random.choice([0.0, -0.3, 0.6]),
        }
        if maybe():
            weight = random.choice([0.1, 0.3, 0.5, 1.0])
            self.weights |= {"ctc": weight, "decoder": 1.0 - weight}
        self.scorers = {
            "decoder": any_decoder(self.vocab, self.size),
            "lm": any_lm(self.vocab),
            "length_bonus": LengthBonus(self.vocab),
            "ctc": None,
        }
        self.posteriors = stirred(CTC(self.vocab, self.size), 0.3)
        self.lengths = random.choice(
            [
                {},
                {"maxlenratio": -float(random.randint(2, 9))},
                {"maxlenratio": 0.7, "minlenratio": 0.2},
                {"maxlenratio": 1.0},
                {"minlenratio": -2.0, "maxlenratio": -6.0},
            ]
        )
        self.frames = torch.randint(8, 25, (random.randint(1, 4),))
        self.x = torch.randn(len(self.frames), int(self.frames.max()), self.size)
        if "ctc" in self.weights:  # ESPnet's loop over frames loses 2e-3 in float32
            self.x = self.x.double()
            for part in (*self.scorers.values(), self.posteriors):
                if isinstance(part, torch.nn.Module):
                    part.double()

    def search(self, ours=False, n_best=0):
        """ESPnet's search, or ours with views of its scorers."""
        kind = ctc.CTCPrefixScorer if ours else CTCPrefixScorer
        scorers = {**self.scorers}
        scorers["ctc"] = kind(self.posteriors, self.vocab - 1, self.margin)
        made = BatchBeamSearch(
            scorers,
            self.weights,
            self.beam,
            self.vocab,
            sos=self.vocab - 1,
            eos=self.vocab - 1,
            pre_beam_score_key=None if self.weights.get("ctc") == 1.0 else "full",
            normalize_length=self.normalize,
        ).eval()
        if ours:
            made.__class__ = FastBeamSearch
            use_view(made)
            made.n_best = n_best
        return made
