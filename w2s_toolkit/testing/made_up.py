"""A small made-up task: data sets, weak labels, and a context to run a component in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from w2s_toolkit.contracts import EventSink
from w2s_toolkit.data import Dataset, Example, LabelSet, TaskInfo, content_id
from w2s_toolkit.stages.context import StageContext
from w2s_toolkit.stages.shared import SharedObjects

WORDS = (
    ("bad", "awful", "dull", "ugly"),
    ("good", "lovely", "bright", "brave"),
    ("plain", "usual", "common", "typical"),
    ("strange", "odd", "curious", "unheard-of"),
)
"""Words that tell a class: row k those of class k."""

CLASSES = ("negative", "positive", "ordinary", "peculiar")
_THINGS = ("film", "book", "play", "café", "song", "naïve tale", "story", "talk")


def tiny_dataset(
    rows: int = 24, *, name: str = "pool", classes: int = 2, kind: str = "classification"
) -> Dataset:
    """Short sentences whose words tell their class, with gold; the same arguments, the same rows.

    Sets of different names share no row. Two neighbouring rows form a group. ``kind`` may be
    ``classification`` (2 to 4 classes) or ``generation`` (the class name is the gold text).
    """
    names = CLASSES[:classes]
    generation = kind == "generation"
    examples = []
    for i in range(rows):
        k, u = i % classes, _uniform(f"{name}:{i}")
        word = WORDS[k][int(u * len(WORDS[k]))]
        thing = _THINGS[int(_uniform(f"{i}:{name}") * len(_THINGS))]
        prompt = f"number {i} of {name}: the {thing} was {word}" + " and long" * (i % 5)
        choices = () if generation else names
        examples.append(
            Example(
                content_id(prompt, choices),
                prompt,
                choices,
                None if generation else k,
                names[k] if generation else None,
                group=f"{name}-{i // 2}",
                meta={"line": i},
            )
        )
    info = TaskInfo(
        "generation" if generation else "classification", () if generation else names, "Which?"
    )
    return Dataset.from_examples(examples, info, name)


def tiny_labels(
    data: Dataset, *, skill: float = 0.8, abstain: float = 0.0, seed: int = 0
) -> LabelSet:
    """Weak soft labels that follow from each row's text and id alone.

    Neither gold nor the order or number of rows matters, so labels of a part are those of the
    whole.

    Args:
        skill: share of rows whose made-up words are read right.
        abstain: share of rows without an answer.
        seed: another seed makes other mistakes.
    """
    k = data.num_classes
    probs, silent = np.zeros((len(data), k)), np.zeros(len(data), dtype=bool)
    for row, example in enumerate(data):
        luck, sure = _uniform(f"{seed}:{example.id}"), _uniform(f"sure:{seed}:{example.id}")
        told = [c for c in range(min(k, len(WORDS))) if any(w in example.prompt for w in WORDS[c])]
        right = told[0] if told else int(_uniform(example.id) * k)
        chosen = right if luck < skill else (right + 1) % k
        confidence = 1 / k + (1 - 1 / k) * (0.2 + 0.7 * sure)
        probs[row] = (1 - confidence) / max(1, k - 1)
        probs[row, chosen] = confidence
        silent[row] = _uniform(f"silent:{seed}:{example.id}") < abstain
    probs[silent] = 1 / max(1, k)
    return LabelSet(
        tuple(data.ids), probs, data.info.classes, abstain=silent, data_digest=data.digest
    )


def tiny_context(
    folder: Path,
    *,
    seed: int = 1,
    models: Mapping[str, Any] | None = None,
    references: Mapping[str, LabelSet] | None = None,
    shared: SharedObjects | None = None,
    folder_of: Callable[[str], Path] | None = None,
    on_event: EventSink | None = None,
) -> StageContext:
    """A real context with ``out`` and ``scratch`` below ``folder`` and one thread.

    Args:
        folder: made if need be.
        models: model components by the name that the config uses.
        references: predictions by role, for evaluators.
        folder_of: store key -> folder; without it :meth:`Context.path` looks below ``out``.
    """
    out, scratch = folder / "out", folder / "scratch"
    out.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(parents=True, exist_ok=True)
    more: dict[str, Any] = {"on_event": on_event} if on_event else {}
    return StageContext(
        seed=seed,
        stage="contract test",
        out=out,
        scratch=scratch,
        models=models,
        references=references,
        shared=shared,
        folder_of=folder_of,
        **more,
    )


def other_gold(data: Dataset) -> Dataset:
    """The same rows, each with another gold answer."""
    import pyarrow as pa

    table = data.table
    if data.info.kind == "generation":
        column = pa.array([f"not {t}" for t in table["gold_text"].to_pylist()], pa.string())
        table = table.set_column(table.column_names.index("gold_text"), "gold_text", column)
    else:
        column = pa.array((data.gold + 1) % data.num_classes, pa.int64())
        table = table.set_column(table.column_names.index("gold"), "gold", column)
    return Dataset(table, data.info, data.name)


def _uniform(text: str) -> float:
    """A number in [0, 1) that follows from a text."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) / 16**12
