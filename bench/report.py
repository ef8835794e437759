"""Tables of benchmarks' JSON."""


def decode_table(data: dict) -> str:
    return "\n".join(
        f"{r['name']:14s} {r['seconds']:8.2f} s cpu {r['cpu_seconds']:8.2f} {r['ms_step']:8.1f} ms "
        f"{r['cache_bytes'] / 1e6:8.1f} MB peak {r['peak_bytes'] / 1e6:8.1f} flops {r.get('flops_share', 0):.2f} roof {r.get('roofline', 0):.2f} "
        + str({k: round(v, 2) for k, v in r["shares"].items()})
        for r in data["results"]
    )
