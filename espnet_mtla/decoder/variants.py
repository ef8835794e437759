"""The registered decoders: one attention variant each, in either context."""

from typing import ClassVar

from espnet_mtla.attention import (
    GroupedAttention,
    GroupedSource,
    LatentAttention,
    LatentSource,
    TemporalLatentAttention,
    TemporalLatentSource,
)
from espnet_mtla.decoder.prompt import PromptDecoder


class MHADecoder(PromptDecoder):
    """Multi-head attention: as many key and value heads as query heads."""

    attention_class = GroupedAttention
    source_class = GroupedSource


class MQADecoder(PromptDecoder):
    """Multi-query attention: one key and value head."""

    attention_class = GroupedAttention
    source_class = GroupedSource
    fixed: ClassVar[dict] = {"num_kv_heads": 1}


class GQADecoder(PromptDecoder):
    """Grouped-query attention; the paper has 2 groups."""

    attention_class = GroupedAttention
    source_class = GroupedSource
    options: ClassVar[dict] = {"num_kv_heads": 2}


class MLADecoder(PromptDecoder):
    """Multi-head latent attention; unset widths follow the paper's rule."""

    attention_class = LatentAttention
    source_class = LatentSource
    options: ClassVar[dict] = {
        "kv_lora_rank": None,
        "q_lora_rank": 0,
        "qk_nope_head_dim": None,
        "qk_rope_head_dim": None,
        "v_head_dim": None,
    }


class MTLADecoder(PromptDecoder):
    """Multi-head temporal latent attention, the paper's."""

    attention_class = TemporalLatentAttention
    source_class = TemporalLatentSource
    options: ClassVar[dict] = {**MLADecoder.options, "temporal_stride": 2}
