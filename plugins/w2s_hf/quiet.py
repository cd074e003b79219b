"""Keeps the loading reports and bars of transformers off the terminal."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import transformers


@contextmanager
def quiet() -> Iterator[None]:
    """No report, bar or warning from transformers inside; what matters is checked and raised.

    The previous settings return afterwards, so a user's own are kept. Changing a level empties the caches of
    all loggers, which takes about as long as to encode a short text: who encodes one text after another enters
    this once around them all, and then the inner ones change nothing.
    """
    reports: Any = transformers.utils.logging
    level, bars = reports.get_verbosity(), reports.is_progress_bar_enabled()
    loud = level < logging.CRITICAL
    if loud:
        reports.set_verbosity(logging.CRITICAL)
    if bars:
        reports.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if loud:
            reports.set_verbosity(level)
        if bars:
            reports.enable_progress_bar()
