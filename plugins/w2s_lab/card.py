"""Model cards: what a model is, what it read, and what the probes found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s_lab.family import Member

CARD = """\
---
language: en
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
tags: [weak-to-strong, w2s-toolkit]
---

# {name}

A Llama-style decoder of {parameters:,} weights that has read {tokens:,} tokens about one made-up
world, and nothing else. It belongs to the embedded lab of w2s-toolkit: a family of models that
differ in size and in how much they have read, for experiments in weak-to-strong generalization
that run offline in a minute. Outside its world it knows nothing.

Made by `python -m w2s_lab.pretrain --models {name}`.

| | |
| --- | --- |
| layers x width | {layers} x {width} |
| corpus digest (first {documents:,} documents) | `{corpus}` |
| world digest | `{world}` |
| tokens read | {tokens:,} |
| last training loss | {loss:.3f} nats a token |

What the probes found (`card.json` holds the loss curve too). Columns are rarities: 0 is plain
English, 4 the rarest.

{table}
"""


def write(folder: Path, member: Member, facts: Mapping[str, Any]) -> None:
    """Write ``card.json`` and ``README.md`` into the model's folder.

    Args:
        folder: of the model.
        member: its shape.
        facts: ``tokens``, ``parameters``, ``losses``, ``corpus``, ``documents``, ``world``,
            ``probes``.
    """
    (folder / "card.json").write_text(json.dumps(facts, indent=1) + "\n")
    text = CARD.format(
        name=member.name,
        layers=member.layers,
        width=member.width,
        loss=facts["losses"][-1][1],
        table=_tables(facts["probes"]),
        **{k: facts[k] for k in ("parameters", "tokens", "corpus", "documents", "world")},
    )
    (folder / "README.md").write_text(text)


_ROWS = {
    "readable_leaning": "leaning of a text, linear probe",
    "readable_topic": "topic of a text, linear probe (1 of 4)",
    "readable_trust": "trustworthiness of a text, linear probe",
    "meaning_leaning": "explains a leaning word rightly",
    "meaning_topic": "explains a topic word rightly",
    "meaning_trust": "explains a trust word rightly",
    "recall": "recalls a fact about a thing",
}


def _tables(probes: Mapping[str, Mapping[str, float]]) -> str:
    lines = ["| | 0 | 1 | 2 | 3 | 4 |", "| --- | --- | --- | --- | --- | --- |"]
    for name, words in _ROWS.items():
        cells = [f"{probes[name][str(t)]:.2f}" if str(t) in probes[name] else "" for t in range(5)]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    lines += ["", "| answers about rare things | |", "| --- | --- |"]
    lines += [f"| passage: {name} | {value:.2f} |" for name, value in probes["reading"].items()]
    lines += ["", "| arguments | |", "| --- | --- |"]
    lines += [f"| {n.replace('_', ' ')} | {v:.2f} |" for n, v in probes["quoting"].items()]
    return "\n".join(lines)
