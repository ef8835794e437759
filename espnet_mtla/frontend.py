"""ESPnet's embedding of text, started as fairseq starts it."""

import torch

from espnet_mtla.compat import Embedding


class TextEmbedding(Embedding):
    """Embeds units, ``(B, T)``, and adds their positions, ``(B, T, D)``.

    ESPnet multiplies embeddings by the root of their width, as the Transformer
    does, but draws them with a standard deviation of 1: at a width of 512 they
    are 22 times louder than positions and layers, which are heard late. Here
    they have one of 1 after that factor.

    Args:
        input_size: units.
        embed_dim: ``D``.
        positional_dropout_rate: behind the positions.
    """

    def __init__(
        self,
        input_size: int = 400,
        embed_dim: int = 400,
        positional_dropout_rate: float = 0.1,
    ):
        super().__init__(
            input_size, embed_dim, positional_dropout_rate=positional_dropout_rate
        )
        torch.nn.init.normal_(self.embed[0].weight, std=embed_dim**-0.5)
