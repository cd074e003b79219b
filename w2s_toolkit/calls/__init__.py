"""Calls to hosted models: what was asked is kept, what it costs is counted, no key is written down.

Shared by every plugin that asks a server. :class:`CallCache` keeps answers under the identity of
the request, :class:`Ledger` counts tokens and money against a recipe's budget, :class:`Scrubber`
takes secrets out of texts, and :class:`Calls` is what a stage is given of all three
(``ctx.calls``).
"""

from __future__ import annotations

from w2s_toolkit.calls.cache import CallCache
from w2s_toolkit.calls.desk import Calls
from w2s_toolkit.calls.hosted import HostedModelConfig, Price
from w2s_toolkit.calls.keys import Call, endpoint_of
from w2s_toolkit.calls.ledger import Budget, Ledger, Spent, Standing
from w2s_toolkit.calls.scrub import Scrubber

__all__ = [
    "Budget",
    "Call",
    "CallCache",
    "Calls",
    "HostedModelConfig",
    "Ledger",
    "Price",
    "Scrubber",
    "Spent",
    "Standing",
    "endpoint_of",
]
