"""Features that do not depend on the batch."""

import torch
from espnet2.asr.frontend.default import DefaultFrontend

from espnet_mtla.search.frontend import AloneFrontend


def test_features_in_a_batch_are_those_alone():
    frontend = DefaultFrontend(fs=16000, n_fft=512, hop_length=256, n_mels=20).eval()
    lengths = torch.tensor([4000, 9123, 5001])
    speech = torch.randn(3, 9123)
    speech[0, 4000:] = speech[2, 5001:] = 0
    feats, sizes = AloneFrontend(frontend)(speech, lengths)
    ragged = False
    for b, n in enumerate(lengths.tolist()):
        alone, size = frontend(speech[b : b + 1, :n], lengths[b : b + 1])
        assert sizes[b] == size[0]
        torch.testing.assert_close(feats[b, : size[0]], alone[0])
        batched, _ = frontend(speech, lengths)
        ragged |= not torch.allclose(batched[b, : size[0]], alone[0], atol=1e-3)
    assert ragged  # otherwise ESPnet's own front end would do
    assert AloneFrontend(frontend).output_size() == 20
