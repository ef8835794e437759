"""Tables of how models learnt: accuracy an epoch, and where attention went."""

from bench.layout import percent, table


def curves_table(data: dict) -> str:
    """Table of learning curves, a row a model."""
    curves = data["curves"]
    n_epochs = max(len(c["accuracy"]) for c in curves)
    head = ["", "seed", *(str(n + 1) for n in range(n_epochs))]
    rows = [
        [f"`{c['decoder']}`", str(c["seed"])]
        + [f"{a:.3f}" for a in c["accuracy"]]
        + [""] * (n_epochs - len(c["accuracy"]))
        for c in curves
    ]
    return f"Validation accuracy after each epoch; {_with(data)}.\n\n" + table(
        head, rows
    )


def attention_table(data: dict) -> str:
    """Table of where attention goes, a row an epoch of a model."""
    experiments = data["experiments"]
    n_layers = max(len(x) for e in experiments for x in e["epochs"].values())
    head = ["", "seed", "epoch"]
    for name in ("on the prompt", "entropy there", "mean gate"):
        head += [f"{name}, layer {n + 1}" for n in range(n_layers)]
    rows = []
    for e in experiments:
        for epoch, layers in e["epochs"].items():
            row = [f"`{e['decoder']}`", str(e["seed"]), str(epoch)]
            for name in ("prompt", "entropy"):
                row += [percent(layer[name]) for layer in layers]
            row += [f"{x['gate']:.2f}" if "gate" in x else "-" for x in layers]
            rows.append(row)
    return (
        "Share of attention on the prompt, its entropy there in parts of the largest "
        f"possible, and the mean gate of frames; {_with(data)}.\n\n" + table(head, rows)
    )


def _with(data: dict) -> str:
    about = data["machine"]
    return (
        f"PyTorch {about['torch version']}, ESPnet {about['espnet version']}, "
        f"{about['date'][:10]}, commit {about['git hash']}"
    )
