"""What latent forms of attention project, to a cached latent and up from it."""

import torch

from espnet_mtla.attention.checks import even, head_width, positive


class UpProjection(torch.nn.Linear):
    """From latents to the keys and values of every head, or absorbed head by head.

    A type of its own, so that dynamic quantisation (``--quantize_asr_model``), which
    takes ``torch.nn.Linear`` alone, leaves a weight that is also read by itself.

    Args:
        rank: ``r``, width of the latent.
        n_heads: heads.
        key_width: of a head's key, without position.
        value_width: of a head's value.
    """

    def __init__(self, rank: int, n_heads: int, key_width: int, value_width: int):
        super().__init__(rank, n_heads * (key_width + value_width), bias=False)
        self.n_heads = n_heads
        self.widths = (key_width, value_width)

    def _matrices(self) -> tuple[torch.Tensor, torch.Tensor]:
        """``(heads, nope, r)`` and ``(heads, v, r)``."""
        return self.weight.unflatten(0, (self.n_heads, -1)).split(self.widths, dim=1)

    def keys_values(self, latent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``(..., r)`` to keys ``(..., heads, nope)`` and values ``(..., heads, v)``."""
        return self(latent).unflatten(-1, (self.n_heads, -1)).split(self.widths, -1)

    def absorb(self, query: torch.Tensor) -> torch.Tensor:
        """Turn queries of keys into such of latents.

        ``(..., heads, nope)`` to ``(..., heads, r)``.
        """
        keys, _ = self._matrices()
        return _by_head(query, keys)

    def absorb_into(self, out: torch.Tensor, query: torch.Tensor, scale: float) -> None:
        """Write ``scale`` times :meth:`absorb` of ``(N, heads, nope)`` into ``out``."""
        keys, _ = self._matrices()
        out, query = out.transpose(0, 1), query.transpose(0, 1)
        torch.baddbmm(out, query, keys, beta=0, alpha=scale, out=out)

    def combine(self, seen: torch.Tensor) -> torch.Tensor:
        """Turn means of latents into means of values.

        ``(..., heads, r)`` to ``(..., heads, v)``.
        """
        _, values = self._matrices()
        return _by_head(seen, values.mT)


def _by_head(x: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """``(..., heads, in)`` by ``(heads, in, out)`` to ``(..., heads, out)``."""
    out = torch.bmm(x.flatten(0, -3).transpose(0, 1), matrices)
    return out.transpose(0, 1).unflatten(0, x.shape[:-2])


class LatentProjections(torch.nn.Module):
    """Queries, latents, and the up-projections from these to keys and values.

    Unset widths follow the paper, with ``d_h = size / attention_heads``.

    Args:
        size: model width ``D``.
        attention_heads: query heads.
        kv_lora_rank: ``r``, width of the cached latent; unset it is ``4 d_h``.
        q_lora_rank: rank of the query projection, 0 for a full one.
        qk_nope_head_dim: a head's width without position; unset it is ``d_h``.
        qk_rope_head_dim: ``d_r``, channels of a query and of the key that heads share
            which are rotated by position; unset it is ``d_h / 2``, made even. Of no
            effect where nothing is rotated.
        v_head_dim: a head's value width; unset it is ``d_h``.
        dropout_rate: of attention weights, in training.
        bias: whether the projections have a bias (that from the latent never
            has, as in the authors' package).

    Raises:
        InputError: an option that is not a positive integer, heads that do not
            divide the width, an odd width of what is rotated.
    """

    rotated: bool = False
    """Whether position rotates part of queries and keys."""

    def __init__(
        self,
        size: int,
        *,
        attention_heads: int,
        kv_lora_rank: int | None = None,
        q_lora_rank: int = 0,
        qk_nope_head_dim: int | None = None,
        qk_rope_head_dim: int | None = None,
        v_head_dim: int | None = None,
        dropout_rate: float = 0.0,
        bias: bool = False,
    ):
        super().__init__()
        positive("attention_heads", attention_heads)
        if kv_lora_rank is None:
            kv_lora_rank = 4 * head_width(size, attention_heads)
        if qk_nope_head_dim is None:
            qk_nope_head_dim = head_width(size, attention_heads)
        if v_head_dim is None:
            v_head_dim = head_width(size, attention_heads)
        if not self.rotated:
            rope = 0
        elif qk_rope_head_dim is None:
            rope = max(2, head_width(size, attention_heads) // 4 * 2)
        else:
            rope = even("qk_rope_head_dim", qk_rope_head_dim)
        rank = even("kv_lora_rank", kv_lora_rank)
        nope = positive("qk_nope_head_dim", qk_nope_head_dim)
        values = positive("v_head_dim", v_head_dim)
        self.n_heads = attention_heads
        self.rank = rank
        self.nope_width = nope
        self.rope_width = rope
        self.value_width = values
        self.scale = (nope + rope) ** -0.5
        self.dropout_rate = dropout_rate
        queries = attention_heads * (nope + rope)
        self.linear_q: torch.nn.Module
        if positive("q_lora_rank", q_lora_rank, least=0):
            self.linear_q = torch.nn.Sequential(
                torch.nn.Linear(size, q_lora_rank, bias=bias),
                torch.nn.LayerNorm(q_lora_rank),
                torch.nn.Linear(q_lora_rank, queries, bias=bias),
            )
        else:
            self.linear_q = torch.nn.Linear(size, queries, bias=bias)
        self.linear_kv_a = torch.nn.Linear(size, rank + rope, bias=bias)
        self.kv_norm = torch.nn.LayerNorm(rank)
        self.linear_kv_b = UpProjection(rank, attention_heads, nope, values)
        self.linear_out = torch.nn.Linear(attention_heads * values, size, bias=bias)

    def combine(self, seen: torch.Tensor) -> torch.Tensor:
        """Attention's mean of latents, ``(..., heads, r)``, to ``(..., D)``."""
        return self.linear_out(self.linear_kv_b.combine(seen).flatten(-2))
