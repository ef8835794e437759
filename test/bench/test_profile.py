from types import SimpleNamespace

import pytest
from torch.autograd import DeviceType

from bench import profile, tables

# name, where, calls, microseconds, in ten steps
EVENTS = [
    ("void gemm<1|2>()", DeviceType.CUDA, 20, 3000.0),
    ("Memcpy DtoH", DeviceType.CUDA, 10, 1000.0),
    ("aten::mm", DeviceType.CPU, 20, 900.0),
    ("cudaLaunchKernel", DeviceType.CPU, 15, 300.0),
    ("cuLaunchKernelEx", DeviceType.CPU, 5, 100.0),
    ("cudaMemcpyAsync", DeviceType.CPU, 10, 50.0),
    ("cudaEventSynchronize", DeviceType.CPU, 30, 550.0),
]


def test_a_step_is_taken_apart():
    events = [
        SimpleNamespace(
            key=key,
            device_type=where,
            count=n,
            self_device_time_total=us,
            self_cpu_time_total=us,
        )
        for key, where, n, us in EVENTS
    ]
    found = profile.figures(events, 10, "cuda")
    assert [k["name"] for k in found["by_kernel"]] == [EVENTS[0][0], "Memcpy DtoH"]
    assert found["kernel_ms"] == pytest.approx(0.4) and found["kernels"] == 3
    assert (found["launches"], found["waits"], found["copies"]) == (2, 3, 1)
    assert found["host_ms"] == pytest.approx(0.1)
    about = {"threads": 1, "device": "-", "torch version": "-", "espnet version": "-"}
    row = {"name": "ours:mha", "ms_step": 2.0, "roofline": 0.25, "profile": found}
    data = {
        "case": vars(profile.ST),
        "ceilings": {"flops": 1e12, "bytes": 1e12},
        "machine": {**about, "date": "-", "git hash": "-"},
        "dtype": "float32",
        "results": [row],
    }
    text = tables.profile_table(data)
    assert "| `ours:mha` | 2 | 0.5 | 0.4 | 3 | 2 | 3 | 1 | 0.1 |" in text
    assert "| `gemm<1/2>()` | 2 | 0.3 | 75% |" in text
