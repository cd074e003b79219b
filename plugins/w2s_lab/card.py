"""Model cards: what a model is, what it read, and what the probes found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

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
| layers x width, heads | {layers} x {width}, {heads} |
| world digest | `{world}` |
| tokenizer digest | `{tokenizer}` |
{courses}
| training loss over the last steps | {loss:.3f} nats a token |

The digests of courses are those of their tokens as 16-bit numbers.

![training loss](loss.svg)

What the probes found (one seed each; `docs/lab.md` has several). Columns are rarities: 0 is plain
English, 4 the rarest.

{table}
"""


def write_card(
    folder: Path,
    member: Member,
    made: Mapping[str, Any],
    probes: Mapping[str, Mapping[str, float]],
) -> None:
    """Write ``README.md``, ``loss.svg`` and, last, ``card.json`` into a model's folder.

    Args:
        folder: of the model.
        member: its shape.
        made: what :func:`w2s_lab.pretrain.pretrain` returned.
        probes: what :func:`w2s_lab.probes.examine` returned.
    """
    _draw(folder / "loss.svg", member.name, made["courses"])
    courses = {
        name: {key: value for key, value in course.items() if key != "losses"}
        for name, course in made["courses"].items()
    }
    losses = list(made["courses"].values())[-1]["losses"]
    text = CARD.format(
        name=member.name,
        layers=member.layers,
        width=member.width,
        heads=member.heads,
        loss=float(np.mean([loss for _, loss in losses[-10:]])),
        courses="\n".join(_course(name, course) for name, course in courses.items()),
        tokens=sum(course["tokens"] for course in courses.values()),
        table=_tables(probes),
        **{name: made[name] for name in ("world", "tokenizer", "parameters")},
    )
    (folder / "README.md").write_text(text)
    card = {**made, "name": member.name, "courses": courses, "probes": _rounded(probes)}
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")


def _rounded(probes: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {name: {k: round(v, 4) for k, v in found.items()} for name, found in probes.items()}


def _course(name: str, course: Mapping[str, Any]) -> str:
    many = (
        f"{course['documents']:,} documents, {course['tokens']:,} tokens, {course['steps']:,} steps"
    )
    return f"| {name} | {many}; `{course['digest']}` |"


def _draw(path: Path, name: str, courses: Mapping[str, Mapping[str, Any]]) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure = Figure(figsize=(6, 3.2), layout="constrained")
        axes = figure.add_subplot()
        read = 0.0
        for course, found in courses.items():
            each = found["tokens"] / found["steps"] / 1e6
            xs = [read + step * each for step, _ in found["losses"]]
            axes.plot(xs, [loss for _, loss in found["losses"]], label=course)
            read += found["tokens"] / 1e6
        axes.legend()
        axes.set(
            xlabel="million tokens read", ylabel="loss, nats a token", title=name, ylim=(0, None)
        )
        figure.savefig(path, metadata={"Date": None})


_ROWS = {
    "readable_leaning": "leaning of a text, linear probe",
    "readable_topic": "topic of a text, linear probe (1 of 4)",
    "readable_trust": "trustworthiness of a text, linear probe",
    "meaning_leaning": "explains a leaning word rightly",
    "meaning_topic": "explains a topic word rightly",
    "meaning_trust": "explains a trust word rightly",
    "recall": "recalls a fact about a thing",
    "background": "true share of what it tells of a thing",
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
