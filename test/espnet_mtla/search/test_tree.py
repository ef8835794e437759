"""What replaces parts of a module leaves it alone, and copies no more than it must."""

import torch

from espnet_mtla.search.tree import replaced


def tree():
    inner = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
    model = torch.nn.Sequential(inner, torch.nn.Sequential(), torch.nn.BatchNorm1d(2))
    model[0].register_module("none", None)
    return model


def to_relu(part):
    return torch.nn.ReLU() if isinstance(part, torch.nn.Tanh) else part


def test_only_what_is_around_a_part_is_copied():
    model = tree()
    found = replaced(model, to_relu)
    assert isinstance(found[0][1], torch.nn.ReLU)
    assert isinstance(model[0][1], torch.nn.Tanh)
    assert found is not model and found[0] is not model[0]
    assert found[0][0] is model[0][0]
    assert found[1] is model[1] and found[2] is model[2] and found[0].none is None


def test_a_module_without_such_parts_is_returned():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    assert replaced(model, to_relu) is model


def test_parts_that_are_added_later_are_its_own():
    model = tree()
    found = replaced(model, to_relu)
    found.add_module("later", torch.nn.Tanh())
    assert not hasattr(model, "later")


def test_weights_stay_the_same_when_they_are_moved():
    model = tree()
    found = replaced(model, to_relu)
    model.double()
    x = torch.randn(4, 2).double()
    assert found[0][0](x).dtype == torch.double
    assert found[2].running_mean is model[2].running_mean
