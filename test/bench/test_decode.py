import json

import pytest
import torch

from bench import decode, tables
from bench.contender import Contender, contender
from bench.work import Case
from espnet_mtla.errors import InputError
from espnet_mtla.search.backend import ONEDNN, PLAIN, Backend
from espnet_mtla.search.graph import CAPTURES

SMALL = {
    "utterances": 2,
    "beam": 3,
    "prompt": 7,
    "tokens": 6,
    "layers": 2,
    "size": 32,
    "heads": 4,
    "linear_units": 48,
    "vocabulary": 17,
}
OPTIONS = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]


# the authors' package has MTLA alone
PEERS = [("tiled", kind) for kind in ("mha", "mqa", "gqa", "mla", "mtla2", "mtla3")]
PEERS += [("authors", "mtla2"), ("authors", "mtla3")]


@pytest.mark.parametrize("n_frames", [6, 7, 9])
@pytest.mark.parametrize(("engine", "kind"), PEERS)
@torch.no_grad()
def test_engines_score_the_same(engine, kind, n_frames):
    """Peers do our work: same weights, same choices of a beam, same scores."""
    from bench.peers import authors, ours, tiled

    case = Case(**{**SMALL, "prompt": n_frames})
    base = ours.decoder(case, kind).eval()
    wrap = tiled.TiledDecoder if engine == "tiled" else authors.AuthorsDecoder
    peer = wrap(base).eval()
    x = torch.randn(case.utterances, n_frames, case.size)
    ys = torch.full((case.n_hyp, 1), case.vocabulary - 1)
    states = [[d.batch_init_state(x)] * case.n_hyp for d in (base, peer)]
    for _ in range(case.tokens):
        found = [d.batch_score(ys, s, x) for d, s in zip((base, peer), states)]
        (want, _), (got, _) = found
        torch.testing.assert_close(got, want, atol=2e-5, rtol=1e-5)
        parents = torch.randint(case.beam, (case.utterances, case.beam))
        tokens = torch.randint(case.vocabulary, (case.utterances, case.beam))
        top_ids = parents * case.vocabulary + tokens
        states = [
            d.batch_select_state(s, top_ids) for d, (_, s) in zip((base, peer), found)
        ]
        first = torch.arange(case.utterances)[:, None] * case.beam
        ys = torch.cat((ys[(parents + first).flatten()], tokens.view(-1, 1)), 1)


@pytest.mark.parametrize("weight", [0.0, 0.3])
@pytest.mark.parametrize(
    "name", ["ours:mtla", "tiled:gqa", "authors:mtla", "espnet", "espnet+cache"]
)
def test_texts_have_their_length(name, weight):
    case = Case(**{**SMALL, "prompt": 23, "ctc_weight": weight})
    x = torch.randn(case.utterances, case.prompt, case.size)
    for nbest in contender(name, case).decode(x, case.tokens):
        for hyp in nbest:  # <sos>, the text, <eos>
            assert len(hyp.yseq) == case.tokens + 2
            assert (hyp.yseq[1:-1] != case.vocabulary - 1).all()


@pytest.mark.parametrize("lm_layers", [0, 2])
def test_espnets_decoder_over_a_cache_finds_the_same(lm_layers):
    """With ESPnet's window and a language model too."""
    more = {"prompt": 19, "ctc_weight": 0.3, "ctc_margin": 3, "lm_layers": lm_layers}
    case = Case(**SMALL | more)
    x = torch.randn(case.utterances, case.prompt, case.size)
    seed = torch.initial_seed()
    found = []
    for name in ("espnet", "espnet+cache"):
        torch.manual_seed(seed)  # the same weights
        found.append(contender(name, case).decode(x, case.tokens))
    for want, got in zip(*found):
        assert got[0].yseq.tolist() == want[0].yseq.tolist()
        # ESPnet's CTC adds up a text's frames in float32
        assert float(got[0].score) == pytest.approx(float(want[0].score), abs=3e-3)


def test_figures(tmp_path, capsys):
    names = ["ours:mtla", "espnet:mtla", "espnet", "espnet+cache", "tiled:mha"]
    names.append("authors:mtla3")
    out = tmp_path / "decode.json"
    decode.main([*OPTIONS, "--contenders", *names, "--repeats=2", f"--output={out}"])
    data = json.loads(out.read_text())
    assert data["bench"] == "decode" and data["case"]["prompt"] == SMALL["prompt"]
    assert {"torch version", "device", "threads"} <= set(data["machine"])
    assert data["encoder"]["seconds"] > 0 and data["ceilings"]["flops"] > 1e6
    results = {r["name"]: r for r in data["results"]}
    assert list(results) == names
    printed = capsys.readouterr().out
    for name, r in results.items():
        assert f"`{name}`" in printed
        assert len(r["runs"]) == 2 and r["seconds"] > 0
        assert 0 < r["ms_step"] < 1e3 * max(r["runs"]) / (SMALL["tokens"] - 1)
        assert 0 < r["prompt_seconds"] < max(r["runs"])
        assert r["peak_bytes"] > 0 and 0 < r["roofline"] and 0 < r["flops_share"]
    assert "| `espnet` |" in tables.brief_table(data)
    # the cache as its formula says: 4 bytes, 2 layers, 6 hypotheses, 13 positions
    assert results["tiled:mha"]["cache_bytes"] == 4 * 2 * 6 * 13 * 2 * 32
    # frames once an utterance
    assert results["espnet+cache"]["cache_bytes"] == 4 * 2 * (6 * 6 + 2 * 7) * 2 * 32


BACKENDS = {
    "plain": PLAIN,
    "plain+kernel": Backend(kernels=True),
    "plain+graph": Backend(graphs=True),
    "ours": ONEDNN,
    "espnet": ONEDNN,
}


@pytest.mark.parametrize("name", BACKENDS)
def test_names_say_which_parts_run(name, monkeypatch):
    monkeypatch.setattr("bench.contender.check_parts", lambda *args: None)
    c = contender(f"{name}:mtla2", Case(**SMALL))
    assert c.search.scorers["decoder"] is c.decoder
    assert c.decoder.backend == BACKENDS[name]
    assert (c.packed_bytes() > 0) == BACKENDS[name].packs


def test_captures_are_told_apart(monkeypatch):
    case = Case(**SMALL)

    def captures(c, x, n_tokens, decode=Contender.decode):
        CAPTURES.seconds += next(seconds)
        return decode(c, x, n_tokens)

    seconds = iter([500.0, 500.0, 12.0, 12.0, 18.0])  # two before the timed ones

    monkeypatch.setattr(Contender, "decode", captures)
    limits = {"flops": 1e9, "bytes": 1e9}
    (found,) = decode.compare(case, ["ours:mha"], repeats=3, limits=limits)["results"]
    assert found["capture_seconds"] == pytest.approx(12)
    # these runs hold no captures
    assert found["ms_step"] * case.tokens / 1e3 == pytest.approx(-12, abs=2)
    about = {"threads": 1, "device": "-", "torch version": "-", "espnet version": "-"}
    data = {
        "case": vars(case),
        "results": [found],
        "ceilings": limits,
        "machine": {**about, "date": "-", "git hash": "-"},
        "dtype": "float32",
        "encoder": {"seconds": 1.0},
    }
    assert "| captures s |" in tables.decode_table(data)
    found["capture_seconds"] = 0.0
    assert "captures" not in tables.decode_table(data)


@pytest.mark.parametrize(
    "words", ["--beam=0", "--prompt=x", "--ctc-weight=2", "--output=/", "--tokens=-1"]
)
def test_options_are_checked_before_anything_is_measured(words, capsys):
    with pytest.raises(SystemExit):
        decode.main([*OPTIONS, words])
    assert f"argument {words.partition('=')[0]}" in capsys.readouterr().err


def test_budget_is_kept():
    case = Case(**SMALL)
    (result,) = decode.compare(case, ["ours:mha"], repeats=5, budget=1e-9)["results"]
    assert len(result["runs"]) == 1


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["ours:mtlaa"], "did you mean 'mtla'"),
        (["ours:mha2"], "no such variant"),
        (["theirs:mha"], "give ours, plain, espnet, tiled or authors"),
        (["authors:mla"], "give tiled:"),
        (["tiled+graph:mla"], "give plain, plain.kernel"),
        (["plain+graf:mla"], "give plain, plain.kernel"),
        (["ours+kernel:mla"], "give plain, plain.kernel"),
        (["plain+graph:mla"], "which needs --device cuda"),
        (["plain:mla", "--dtype=bfloat16"], "on a CPU plain is ours"),
        (["mtla2"], "give <engine>:<variant>"),
        (["espnet", "ours"], "ours: give <engine>:<variant>"),
        (["tiled:mla", "--tokens=1"], "give --tokens 2"),
        (["ours:mla", "--device=gpu"], "give cpu, cuda"),
    ],
)
def test_unknown_contenders(names, said, monkeypatch):
    monkeypatch.setattr(decode.machine, "ceilings", lambda *_: None)  # takes seconds
    with pytest.raises(InputError, match=said):
        decode.main([*OPTIONS, "--contenders", *names])
