"""How a broken contract is reported: the rule, what was seen, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from w2s_toolkit.errors import W2SError


def breach(rule: str, seen: str, fix: str) -> NoReturn:
    """Fail the running test."""
    pytest.fail(_text(rule, seen, fix), pytrace=False)


def does_not_apply(why: str) -> NoReturn:
    """Skip the running test: a pass would say that something was looked at."""
    pytest.skip(why)


@contextmanager
def expected_to_work(rule: str, fix: str) -> Iterator[None]:
    """Any exception inside is a breach of ``rule``; its traceback is shown unless it is one of ours."""
    try:
        yield
    except W2SError as error:
        breach(rule, f"{type(error).__name__}: {error}", fix)
    except Exception as error:
        pytest.fail(_text(rule, f"{type(error).__name__}: {error}", fix))


@contextmanager
def works_or_explains(rule: str, fix: str) -> Iterator[None]:
    """An error of the toolkit is fine inside, since it tells a user what to do; any other is not."""
    try:
        yield
    except W2SError:
        return
    except Exception as error:
        pytest.fail(_text(rule, f"{type(error).__name__}: {error}", fix))


def _text(rule: str, seen: str, fix: str) -> str:
    return f"contract: {rule}\n  seen: {seen}\n  fix:  {fix}"
