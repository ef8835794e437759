"""When a search ends: ESPnet's rule, and news that the host reads late."""

import torch
from espnet2.legacy.nets.e2e_asr_common import end_detect

from espnet_mtla.search.end import EndDetection, Outcomes


def test_end_detection_is_espnets():
    """Random endings, some steps without one."""
    for _ in range(20):
        detection = EndDetection(torch.zeros(1, 2))
        hypotheses = []
        for i in range(40):
            score = torch.randn(1, 2) * 3 - 1.2 * i
            ended = torch.rand(1, 2) < 0.8
            for s in score[ended].tolist():
                hypotheses.append({"score": s, "yseq": [0] * (i + 2)})
            over = bool(detection.update(score, ended))
            assert over == end_detect(hypotheses, i)
            if over:
                break
        assert hypotheses


def test_outcomes_arrive_in_order_and_late():
    flags = [torch.rand(3) < 0.5 for _ in range(9)]
    for ahead in (0, 1, 4):
        outcomes = Outcomes(ahead)
        read = [outcomes.exchange(f) for f in flags]
        want = [None] * ahead + [f.tolist() for f in flags]
        assert read == want[: len(read)]
