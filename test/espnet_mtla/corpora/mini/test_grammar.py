"""The grammar of commands."""

from collections import Counter

import numpy as np
import pytest

from espnet_mtla.corpora.mini.grammar import Grammar, _fill_german
from espnet_mtla.errors import InputError


def test_size_of_the_language(seed):
    commands = list(Grammar.load().distinct(4400, np.random.default_rng(seed)))
    assert len({c.scenario for c in commands}) >= 12
    assert len({(c.scenario, c.action) for c in commands}) >= 25
    words = Counter(w for c in commands for w in c.english.lower().strip(".?").split())
    assert 200 <= len(words) <= 350
    assert 6 <= words.total() / len(commands) <= 10
    # Each text occurs once, and no slot is left open.
    assert (
        len({c.english for c in commands}) == len({c.german for c in commands}) == 4400
    )
    for c in commands:
        for text in (c.english, c.german):
            assert text[0].isupper() and text[-1] in ".?" and "  " not in text
            assert not set("{}#") & set(text)


def test_entities_are_where_they_say(seed):
    for c in Grammar.load().distinct(500, np.random.default_rng(seed)):
        for entity in c.entities:
            assert c.english[entity.start :].startswith(entity.text)
            assert entity.type.replace("_", "").isalpha()


def test_every_value_of_a_slot_has_its_form():
    """A form may fall back to the bare word only where German lets it."""
    grammar = Grammar.load()
    same_in_all_cases = {"person", "grocery"}
    for name, content in grammar.lists.items():
        forms = {form for value in content["values"] for form in value}
        if name not in same_in_all_cases:
            assert all(set(value) == forms for value in content["values"]), name


def test_seed_decides():
    grammar = Grammar.load()
    draws = [list(grammar.distinct(50, np.random.default_rng(s))) for s in (3, 3, 4)]
    assert draws[0] == draws[1] != draws[2]


TREE = {
    "entities": {
        "place": {
            "type": "place_name",
            "values": [
                {"en": "house", "de": "Haus", "to": "zum Haus"},
                {"en": "city", "de": "Stadt", "to": "zur Stadt"},
            ],
        }
    },
    "commands": {
        "go": {"to": [["From {place} to {place#2}.", "{place.to}, {place#2}."]]}
    },
}


def test_forms_copies_and_exhaustion():
    grammar = Grammar(TREE)
    commands = list(grammar.distinct(2, np.random.default_rng(0)))
    assert {c.english for c in commands} == {
        "From house to city.",
        "From city to house.",
    }
    assert {c.german for c in commands} == {"Zum Haus, Stadt.", "Zur Stadt, Haus."}
    with pytest.raises(InputError, match="ran dry after 2 of 3"):
        list(grammar.distinct(3, np.random.default_rng(0)))


def test_a_missing_form_falls_back_to_the_bare_word():
    value = {"en": "Anna", "de": "Anna"}
    assert _fill_german("{x.dat}!", {("x", ""): value}) == "Anna!"


@pytest.mark.parametrize(
    "pair, message",
    [
        (["Go to {place}.", "Geh."], "slots differ in 'Go to {place}.'"),
        (["Go to {plaza}.", "Geh {plaza}."], "{plaza} in 'Go to {plaza}.' is not"),
        (
            ["Go to {place}.", "Geh {place.in}."],
            "{place.in} in 'Go to {place}.' is not",
        ),
    ],
)
def test_bad_templates_are_named(pair, message):
    with pytest.raises(InputError) as e:
        Grammar({**TREE, "commands": {"go": {"to": [pair]}}})
    assert message in str(e.value)
