"""Compares what should be equal, in values and gradients."""

import pytest
import torch


@pytest.fixture
def assert_equal_gradients():
    """Checks the gradients of a random mean of two results.

    Tables of sines are float32 in double models too. An error of 1e-7 of theirs goes
    through every sum of a gradient, so what is allowed grows with its largest number.
    """

    def check(got, want, inputs):
        weight = torch.randn_like(want)
        for a, b in zip(
            torch.autograd.grad((got * weight).sum(), inputs),
            torch.autograd.grad((want * weight).sum(), inputs),
        ):
            atol = 1e-5 * float(b.abs().max()) + 1e-9
            torch.testing.assert_close(a, b, atol=atol, rtol=0)

    return check
