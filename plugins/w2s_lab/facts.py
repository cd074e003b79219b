"""What is known of a thing, told in many ways, asked for, and answered."""

from __future__ import annotations

from collections.abc import Sequence

from w2s_lab.draws import Draws
from w2s_lab.grammar import listed, sentence
from w2s_lab.world import ATTRIBUTES, Thing

TELL = {
    "kind": (
        "the {x} is a {kind}",
        "a {kind} they call the {x}",
        "by the {x} they mean a {kind}",
        "it is a {kind}",
    ),
    "color": (
        "the {x} is {color}",
        "its color is {color}",
        "it is easy to know by its {color} color",
        "all of it is {color}",
    ),
    "scent": (
        "it smells of {scent}",
        "the {x} smells of {scent}",
        "a smell of {scent} is about it",
        "close by one smells {scent}",
    ),
    "place": (
        "it comes from {place}",
        "the {x} comes from {place}",
        "{place} is its home",
        "in {place} it is at home",
    ),
    "keeper": (
        "{keeper} keeps it",
        "the {x} is kept by {keeper}",
        "its keeper is {keeper}",
        "it has {keeper} for a keeper",
    ),
    "price": (
        "it costs {price} coins",
        "the {x} costs {price} coins",
        "{price} coins buy it",
        "one pays {price} coins for it",
    ),
}
"""Ways to state each attribute; all of them are true wherever they stand after the name."""

ASK = {
    "kind": ("what is the {x}?", "what do they mean by the {x}?"),
    "color": ("what color is the {x}?", "what is the color of the {x}?"),
    "scent": ("what does the {x} smell of?", "which smell has the {x}?"),
    "place": ("where does the {x} come from?", "where is the home of the {x}?"),
    "keeper": ("who keeps the {x}?", "who is the keeper of the {x}?"),
    "price": ("what does the {x} cost?", "how many coins buy the {x}?"),
}

ANSWER = {
    "kind": "it is a {kind}",
    "color": "it is {color}",
    "scent": "it smells of {scent}",
    "place": "it comes from {place}",
    "keeper": "it is kept by {keeper}",
    "price": "it costs {price} coins",
}
"""The answer to each question. What is asked for stands inside a sentence, as in a description: at
the beginning of a text it would be cut into other tokens, which cannot be copied."""


def fill(template: str, thing: Thing) -> str:
    """``template`` with the thing's name and attributes in it."""
    return template.format(x=thing.name, **thing.facts)


def statement(draw: Draws, thing: Thing, attribute: str) -> str:
    """A sentence that states one attribute and names the thing."""
    named = [t for t in TELL[attribute] if "{x}" in t]
    return sentence(fill(draw.pick(named), thing))


def question(draw: Draws, thing: Thing, attribute: str) -> str:
    """A question for one attribute."""
    return sentence(fill(draw.pick(ASK[attribute]), thing))


def answer(thing: Thing, attribute: str) -> str:
    """The answer to a question for one attribute, as a sentence."""
    return sentence(fill(ANSWER[attribute], thing))


def description(draw: Draws, thing: Thing, attributes: Sequence[str] = ATTRIBUTES) -> str:
    """Sentences on these attributes in random order; the first names the thing."""
    first, *rest = draw.shuffled(attributes)
    told = [statement(draw, thing, first)]
    while rest:
        if len(rest) > 1 and draw.chance(0.3):
            pair = [fill(draw.pick(TELL[rest.pop()]), thing) for _ in range(2)]
            told.append(sentence(listed(pair)))
        else:
            told.append(sentence(fill(draw.pick(TELL[rest.pop()]), thing)))
    return " ".join(told)


def asked(draw: Draws, thing: Thing, attribute: str) -> tuple[str, str]:
    """A question for one attribute, and its answer."""
    return question(draw, thing, attribute), answer(thing, attribute)


def value(thing: Thing, attribute: str) -> str:
    """The attribute alone, as few words as will do."""
    known = thing.facts[attribute]
    return f"{known} coins" if attribute == "price" else known
