"""The decoder in both contexts: train = incremental, batched = alone, reorder, errors."""

import random

import pytest
import torch

from espnet_mtla.decoder.variants import GQADecoder, MHADecoder, MTLADecoder
from espnet_mtla.errors import InputError


def log_probs(decoder, prompt, lengths, tokens):
    sizes = torch.full((len(tokens),), tokens.shape[1])
    logits, _ = decoder(prompt, lengths, tokens, sizes)
    return logits.log_softmax(-1)


def test_batched_equals_alone_in_training(make_decoder, ragged):
    decoder = make_decoder()
    prompt, lengths, tokens = ragged()
    garbage = torch.cat((prompt, prompt.new_full((len(prompt), 3, 24), 1e4)), dim=1)
    garbage[torch.arange(garbage.shape[1]) > lengths[:, None]] = float("nan")
    batched = log_probs(decoder, garbage, lengths, tokens)
    for b, n in enumerate(lengths.tolist()):
        cut = random.randint(1, tokens.shape[1])
        alone = log_probs(
            decoder, prompt[b : b + 1, :n], lengths[b : b + 1], tokens[b : b + 1, :cut]
        )
        torch.testing.assert_close(batched[b, :cut], alone[0], atol=1e-4, rtol=0)


def test_incremental_equals_training(make_decoder, ragged):
    """Several utterances and hypotheses, and tails that outgrow their buffers."""
    decoder = make_decoder()
    prompt, lengths, _ = ragged()
    beam, size = random.randint(1, 3), 40
    tokens = torch.randint(1, 11, (len(prompt) * beam, size))
    want = log_probs(
        decoder,
        prompt.repeat_interleave(beam, 0),
        lengths.repeat_interleave(beam),
        tokens,
    )
    prompt[torch.arange(prompt.shape[1]) >= lengths[:, None]] = float("nan")
    state = [decoder.batch_init_state(prompt, xs_lengths=lengths)] * len(tokens)
    for i in range(size):
        got, state = decoder.batch_score(tokens[:, : i + 1], state, None)
        torch.testing.assert_close(got, want[:, i], atol=1e-4, rtol=0)


@pytest.mark.parametrize("n_frames", range(1, 18))
def test_every_open_chunk(n_frames, context):
    """Every stride meets every ``T_b mod s``, alone and unpadded."""
    prompt, tokens = torch.randn(1, n_frames, 16), torch.randint(1, 7, (1, 10))
    for stride in range(1, 9):
        sizes = {"attention_heads": 2, "num_blocks": 1, "temporal_stride": stride}
        decoder = MTLADecoder(7, 16, context=context, **sizes).eval()
        want = log_probs(decoder, prompt, torch.tensor([n_frames]), tokens)
        state = [decoder.batch_init_state(prompt[0])]
        for i in range(10):
            got, state = decoder.batch_score(tokens[:, : i + 1], state, None)
            torch.testing.assert_close(got, want[:, i], atol=1e-4, rtol=0)


def test_the_key_of_an_open_chunk_is_never_read(context):
    decoder = MTLADecoder(
        7, 16, context=context, attention_heads=2, num_blocks=2, temporal_stride=3
    ).eval()
    x, lengths = torch.randn(3, 8, 16), torch.tensor([8, 7, 6])
    tokens = torch.randint(1, 7, (3, 5))
    state = decoder.batch_init_state(x, xs_lengths=lengths)
    for part in state.prompt.layers:
        for slot in part.opening or ():
            slot[..., decoder.attention.rank :] = float("nan")
    states = [state.select(b) for b in range(3)]
    want = log_probs(decoder, x, lengths, tokens)
    for i in range(5):
        got, states = decoder.batch_score(tokens[:, : i + 1], states, None)
        torch.testing.assert_close(got, want[:, i], atol=1e-4, rtol=0)


def test_random_beam_histories(make_decoder, ragged):
    """Reorder and copy on write, against a recomputation from scratch."""
    decoder = make_decoder()
    prompt, lengths, _ = ragged(n_utt=3)
    beam, vocab = 4, decoder.vocab_size
    ys = torch.randint(1, vocab, (3 * beam, 1))
    state = [decoder.batch_init_state(prompt, xs_lengths=lengths)] * len(ys)
    frames, sizes = prompt.repeat_interleave(beam, 0), lengths.repeat_interleave(beam)
    for _ in range(22):
        got, state = decoder.batch_score(ys, state, None)
        want = log_probs(decoder, frames, sizes, ys)[:, -1]
        torch.testing.assert_close(got, want, atol=1e-4, rtol=0)
        # siblings of one parent go on differently: each needs its open chunk
        parents = torch.randint(0, beam, (3, beam))
        new = torch.randint(1, vocab, (3, beam))
        state = decoder.batch_select_state(state, parents * vocab + new)
        rows = (parents + torch.arange(3)[:, None] * beam).flatten()
        ys = torch.cat((ys[rows], new.view(-1, 1)), dim=1)


def test_select_state_when_the_number_of_hypotheses_changes(make_decoder, ragged):
    decoder = make_decoder()
    prompt, lengths, _ = ragged(n_utt=1)
    ys = torch.randint(1, 11, (1, 1))
    state = [decoder.batch_init_state(prompt[0, : lengths[0]])]
    for width in (3, 5, 5, 2, 1, 4, 4):
        got, state = decoder.batch_score(ys, state, None)
        want = log_probs(
            decoder, prompt.expand(len(ys), -1, -1), lengths.expand(len(ys)), ys
        )[:, -1]
        torch.testing.assert_close(got, want, atol=1e-4, rtol=0)
        parents = torch.randint(0, len(ys), (width,))
        state = [decoder.select_state(state, j) for j in parents.tolist()]
        ys = torch.cat((ys[parents], torch.randint(1, 11, (width, 1))), dim=1)


def test_one_state_scored_twice(make_decoder, ragged):
    """``BeamSearch`` gives one state to several hypotheses: none may leak."""
    decoder = make_decoder()
    prompt, lengths, _ = ragged(n_utt=1)
    x = prompt[0, : lengths[0]]
    state = decoder.init_state(x)
    ys = torch.randint(1, 11, (6,))
    for i in range(1, 6):
        other = torch.cat((ys[: i - 1], torch.randint(1, 11, (1,))))
        decoder.score(other, state, x)
        got, state = decoder.score(ys[:i], state, x)
        want = log_probs(decoder, x[None], lengths, ys[None, :i])[0, -1]
        torch.testing.assert_close(got, want, atol=1e-4, rtol=0)


def test_a_primer_of_several_tokens(make_decoder, ragged):
    decoder = make_decoder()
    prompt, lengths, tokens = ragged(n_tokens=5)
    state = [decoder.batch_init_state(prompt, xs_lengths=lengths)] * len(prompt)
    got, _ = decoder.batch_score(tokens, state, None)
    want = log_probs(decoder, prompt, lengths, tokens)[:, -1]
    torch.testing.assert_close(got, want, atol=1e-4, rtol=0)


def test_a_consumed_state_is_refused(make_decoder, ragged):
    decoder = make_decoder()
    prompt, lengths, tokens = ragged(n_tokens=2)
    state = [decoder.batch_init_state(prompt, xs_lengths=lengths)] * len(prompt)
    _, state = decoder.batch_score(tokens[:, :1], state, None)
    decoder.batch_score(tokens, state, None)
    with pytest.raises(RuntimeError, match="consumed"):
        decoder.batch_score(tokens, state, None)


def test_an_ended_hypothesis_pins_no_batch(make_decoder, ragged):
    decoder = make_decoder()
    prompt, lengths, tokens = ragged(n_utt=3, n_tokens=1)
    state = [decoder.batch_init_state(prompt, xs_lengths=lengths)] * 6
    _, state = decoder.batch_score(tokens.repeat_interleave(2, 0), state, None)
    ended = decoder.select_state(state, 3)
    for row, batch in zip(ended.tail.buffers, state.tail.buffers):
        assert row.untyped_storage().nbytes() <= batch.nbytes // 6
    del state
    with pytest.raises(RuntimeError, match="has ended"):
        _ = ended.prompt  # gone with its batch


def test_the_cache_is_as_small_as_the_paper_says(make_decoder, ragged):
    decoder = make_decoder(num_blocks=3)
    attention = decoder.attention
    frames = getattr(decoder.layers[0], "src_attn", attention)
    n, beam = 8 * attention.stride, 5
    state = [decoder.batch_init_state(torch.randn(2, n, 24))] * (2 * beam)
    per_token = 4 * 3 * attention.cache_elements  # bytes, over three layers
    per_frame = 4 * 3 * frames.cache_elements
    assert state[0].nbytes() <= 2 * (n + attention.stride) * per_frame
    for i in range(attention.stride):
        ys = torch.ones(2 * beam, i + 1, dtype=torch.long)
        _, state = decoder.batch_score(ys, state, None)
    prompts, tails = 2 * n * per_frame, 2 * beam * attention.stride * per_token
    spare = 2 * 4 * 3 * attention.cache_elements * attention.stride
    assert prompts + tails <= state.nbytes() <= prompts + tails + spare


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_steps_are_as_good_as_teacher_forcing(
    make_decoder, ragged, dtype
):
    """Far past 256 positions, where a counter kept in bf16 would stand still."""
    decoder = make_decoder()
    prompt, lengths, tokens = ragged(n_tokens=30, n_utt=2, most=500)
    lengths[0] = prompt.shape[1]
    true = log_probs(decoder, prompt, lengths, tokens)[:, -1]
    decoder.to(dtype)
    forced = log_probs(decoder, prompt.to(dtype), lengths, tokens)[:, -1]
    state = decoder.batch_init_state(prompt.to(dtype), xs_lengths=lengths)
    got, _ = decoder.batch_score(tokens, [state] * len(prompt), None)
    assert got.dtype == torch.float32
    allowed = 2 * (forced.float() - true).abs().max() + 0.03
    assert (got.float() - true).abs().max() <= allowed


def test_steps_under_autocast_follow_a_beam(make_decoder, ragged):
    decoder = make_decoder()
    prompt, lengths, tokens = ragged(n_utt=2, n_tokens=6)
    want = log_probs(decoder, prompt, lengths, tokens)
    state = [decoder.batch_init_state(prompt, xs_lengths=lengths)] * 4
    with torch.autocast("cpu", torch.bfloat16):
        for i in range(tokens.shape[1]):
            ys = tokens[:, : i + 1].repeat_interleave(2, 0)
            got, state = decoder.batch_score(ys, state, None)
            swap = torch.tensor([[1 * 11 + 2, 0 * 11 + 3]] * 2)
            state = decoder.batch_select_state(state, swap)
            torch.testing.assert_close(
                got.float().view(2, 2, -1),
                want[:, i, None].expand(-1, 2, -1),
                atol=0.3,
                rtol=0.1,
            )


def test_trains_under_bf16_autocast(make_decoder, ragged):
    """Every parameter gets a finite gradient (DDP needs each of them)."""
    decoder = make_decoder(dropout_rate=0.1, self_attention_dropout_rate=0.1).train()
    prompt, lengths, tokens = ragged(n_tokens=6)
    with torch.autocast("cpu", torch.bfloat16):
        logits, _ = decoder(prompt, lengths, tokens, lengths)
        loss = torch.nn.functional.cross_entropy(
            logits.float().flatten(0, 1), tokens.flatten()
        )
    loss.backward()
    for name, p in decoder.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name


def test_unknown_option_names_the_nearest():
    with pytest.raises(InputError, match=r"'temporal_strid'.*'temporal_stride'"):
        MTLADecoder(7, 16, temporal_strid=2)
    with pytest.raises(InputError, match="MHADecoder has no option 'num_kv_heads'"):
        MHADecoder(7, 16, num_kv_heads=2)


@pytest.mark.parametrize(
    "options",
    [
        {"num_blocks": 0},
        {"linear_units": -1},
        {"dropout_rate": 1.0},
        {"dropout_rate": "abc"},
        {"context": "both"},
        {"context": ["prompt"]},
    ],
)
def test_refuses_sizes_out_of_range(options):
    with pytest.raises(InputError, match=next(iter(options))):
        GQADecoder(7, 16, **options)


def test_paper_sizes_are_the_default():
    decoder = MTLADecoder(8000, 512)
    assert len(decoder.layers) == 9
    assert decoder.layers[0].feed_forward.w_1.out_features == 2048
    assert decoder.attention.n_heads == 8
