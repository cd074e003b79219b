"""What an oversight protocol hands to a supervisor: one text, or the same case in several orders.

The column ``evidence`` of a data set holds text. A protocol whose evidence has an order (who speaks first,
which answer stands first) writes every order into it with :func:`write_evidence`; a supervisor that reads
one text takes :func:`evidence_text`, and one that asks in every order takes :func:`read_evidence`.
Plain text is evidence without an order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

_HEAD = '{"w2s_evidence": 1, '


@dataclass(frozen=True, slots=True)
class View:
    """One order of the evidence.

    Attributes:
        text: as a reader sees it.
        order: choices in the order in which this view presents them; empty: it has no order.
    """

    text: str
    order: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a protocol says about one row.

    Attributes:
        views: the first is for readers of a single text; none: nothing was said.
        unfinished: why the protocol did not come to its end on this row; empty if it did.
    """

    views: tuple[View, ...] = ()
    unfinished: str = ""


def write_evidence(evidence: Evidence) -> str:
    """As text for the column ``evidence``."""
    views = [{"order": list(view.order), "text": view.text} for view in evidence.views]
    rest = json.dumps({"unfinished": evidence.unfinished, "views": views}, ensure_ascii=False)
    return _HEAD + rest[1:]


def read_evidence(text: str | None) -> Evidence:
    """What :func:`write_evidence` wrote; any other text is one view without an order."""
    if not text:
        return Evidence()
    if not text.startswith(_HEAD):
        return Evidence((View(text),))
    found = json.loads(text)
    views = tuple(View(view["text"], tuple(view["order"])) for view in found["views"])
    return Evidence(views, found["unfinished"])


def evidence_text(text: str | None) -> str:
    """Evidence for a reader of a single text; empty where there is none."""
    views = read_evidence(text).views
    return views[0].text if views else ""


def joined(first: Evidence, second: Evidence) -> Evidence:
    """Evidence of two protocols, one after the other."""
    if not first.views or not second.views:
        return Evidence(
            first.views or second.views,
            "; ".join(filter(None, (first.unfinished, second.unfinished))),
        )
    pairs: Sequence[tuple[View, View]] = [
        (one, two)
        for one in first.views
        for two in second.views
        if not one.order or not two.order or one.order == two.order
    ]
    views = tuple(View(f"{a.text}\n\n{b.text}", a.order or b.order) for a, b in pairs)
    return Evidence(views, "; ".join(filter(None, (first.unfinished, second.unfinished))))
