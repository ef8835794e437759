"""Tables of what is measured on a GPU alone: checks, and a step's kernels."""

from bench.layout import amount, percent, setting, table, where


def smoke_table(data: dict) -> str:
    """Say which checks passed; those that failed stand below every table."""
    checks = data["checks"]
    names = {c["name"] for c in checks} | set(data["failed"])
    about = (
        f"{len(names) - len(data['failed'])} of {len(names)} checks of {data['what']} "
        f"passed; {where(data)}."
    )
    compared = [c for c in checks if "differences" in c]
    if not compared:
        return about
    head = ["off by", *compared[0]["differences"], "s"]
    rows = [
        [c["name"], *(f"{d:.0e}" for d in c["differences"].values())]
        + [amount(c["seconds"], 2)]
        for c in compared
    ]
    return f"{about}\n\n{table(head, rows)}"


SHOWN = 12
"""Kernels in the table of a contender."""


def profile_table(data: dict) -> str:
    """Tables of a decoding step: what it waits for, and its kernels."""
    case, limits = data["case"], data["ceilings"]
    about = (
        f"{case['utterances']} utterances x {case['prompt']} prompt frames, beam "
        f"{case['beam']}, means of {case['tokens']} steps, {setting(case)}; "
        f"{where(data)}. Ceilings measured: {amount(limits['flops'] / 1e9)} GFLOP/s, "
        f"{amount(limits['bytes'] / 1e9)} GB/s. A step's time is taken without the "
        "profiler, its floor from the ceilings."
    )
    head = ["", "ms/step", "floor ms", "in kernels ms", "kernels", "launches"]
    head += ["waits of the host", "copies", "calls to CUDA ms"]
    rows = [
        [
            f"`{r['name']}`",
            amount(r["ms_step"]),
            amount(r["ms_step"] * r["roofline"]),
            *(amount(r["profile"][key]) for key in FIGURES),
        ]
        for r in data["results"]
    ]
    text = [about, table(head, rows)]
    for r in data["results"]:
        found = r["profile"]
        rows = [
            [short(k["name"]), amount(k["calls"]), amount(k["ms"])]
            + [percent(k["ms"] / (found["kernel_ms"] or 1))]
            for k in found["by_kernel"][:SHOWN]
        ]
        text.append(table([f"`{r['name']}`", "calls/step", "ms/step", "share"], rows))
    return "\n\n".join(text)


FIGURES = ("kernel_ms", "kernels", "launches", "waits", "copies", "host_ms")
"""Of a step's profile, in the order of the table."""


def short(name: str) -> str:
    """Cut a kernel's name, and quote it for Markdown."""
    name = name.removeprefix("void ").replace("|", "/").replace("`", "'")
    return f"`{name[:69]}...`" if len(name) > 72 else f"`{name}`"
