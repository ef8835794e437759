"""What ours is built on is looked at when it is imported."""

import inspect

import pytest

from espnet_mtla import compat


def test_this_release_is_the_one_that_ours_is_built_on():
    kind = compat.batch_beam_search()
    for method in compat.OVERRIDDEN:
        inspect.signature(getattr(kind, method)).bind(kind, *compat.OVERRIDDEN[method])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, r"Search._search_loop is gone; espnet_mtla needs espnet 202611$"),
        (
            {"_search_loop": lambda self, x, state: None},
            r"^espnet \d+: Search._search_loop takes x, state; espnet_mtla needs",
        ),
    ],
)
def test_another_release_is_named(body, words):
    kind = type("Search", (), body)
    with pytest.raises(ImportError, match=words):
        compat.check_methods(kind, {"_search_loop": ("x", "states")})


def test_options_are_explained_anew_where_ours_do_something_else():
    parser = compat.inference_parser("mt", {"batch_size": "ours"}, {"dtype": ["int3"]})
    choices = {action.dest: action.choices for action in parser._actions}
    assert set(choices["dtype"]) == {"float16", "float32", "float64", "int3"}
    helps = {action.dest: action.help for action in parser._actions}
    assert helps["batch_size"] == "ours"
    assert (
        helps["beam_size"]
        == compat.inference_module("mt")
        .get_parser()
        ._actions[list(helps).index("beam_size")]
        .help
    )
