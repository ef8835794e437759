"""Whether a search fits into memory at all, before it is begun."""

import psutil
import torch

COPIES = 3
"""Of all continuations' scores a search holds at least its sum, a scorer's, and those
sorted."""


def check_room(n_hyp: int, n_vocab: int, where: torch.Tensor) -> None:
    """Refuse a search that cannot fit: a machine that tries may kill more than it.

    Args:
        n_hyp: ``N``.
        n_vocab: ``V``.
        where: a tensor on the device of the search.

    Raises:
        MemoryError: saying what it takes at least, and what there is.
    """
    wanted = COPIES * n_hyp * n_vocab * 4
    if where.is_cuda:
        there = torch.cuda.get_device_properties(where.device).total_memory
    else:
        there = psutil.virtual_memory().total
    if wanted > there:
        raise MemoryError(
            f"scores of {n_hyp} hypotheses and {n_vocab} units take at least "
            f"{wanted / 1e9:.0f} GB, there are {there / 1e9:.0f}"
        )
