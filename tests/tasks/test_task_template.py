from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s_tasks.template import parse_template


def render(text: str, **values: str) -> str:
    return parse_template(text).render(values.__getitem__)


def test_columns_are_put_in():
    assert render("Q: {question} A: {answer}", question="why?", answer="so") == "Q: why? A: so"


def test_double_braces_are_braces():
    assert render("{{{a}}} {{b}}", a="x") == "{x} {b}"


def test_inserted_text_is_never_expanded_again():
    assert render("{a} {b}", a="{b} {{", b="secret") == "{b} {{ secret"


@given(st.text(), st.text())
def test_any_text_goes_in_as_it_is(before, value):
    escaped = before.replace("{", "{{").replace("}", "}}")
    assert render(escaped + "{a}", a=value) == before + value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a {b", "lone '{' at character 3"),
        ("a}", "lone '}'"),
        ("{}", "without a name"),
        ("{{a}", "lone '}'"),
    ],
)
def test_bad_braces_say_where(text, says):
    with pytest.raises(ValueError, match=says):
        parse_template(text)


def test_no_attribute_or_index_can_be_reached():
    template = parse_template("{a.__class__} {b[0]} {c!r} {d:>9}")
    assert template.columns == ("a.__class__", "b[0]", "c!r", "d:>9")
