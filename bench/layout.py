"""How figures are laid out in Markdown, whatever was measured."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a Markdown table: the first column to the left, others to the right."""
    lines = [list(head), ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def amount(value: float | None, digits: int = 3) -> str:
    """Round to significant digits, without an exponent; a dash for what is unknown."""
    if value is None:
        return "-"
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e" in text else text


def where(data: dict) -> str:
    """Say in one line where, when and with what a benchmark was run."""
    about = data["machine"]
    threads = about["threads"]
    return (
        f"{about['device']}, {threads} thread{'s' * (threads != 1)}, {data['dtype']}, "
        f"PyTorch {about['torch version']}, ESPnet {about['espnet version']}, "
        f"{about['date'][:10]}, commit {about['git hash']}"
    )


def setting(case: dict) -> str:
    """Say what was decoded or trained on, but for lengths that a table varies."""
    return (
        f"{case['vocabulary']} units, {case['layers']} layers of {case['size']}, "
        f"{case['heads']} heads"
    )


def missing(data: dict) -> str:
    """Say which contenders or checks failed, and whose parts failed a check."""
    said = [("Failed", data.get("failed")), ("Measured, but", data.get("doubts"))]
    return "".join(
        f"\n\n{word} `{name}`: {reason}"
        for word, found in said
        for name, reason in (found or {}).items()
    )


def percent(share: float) -> str:
    """Lay out a share."""
    return f"{share:.0%}"
