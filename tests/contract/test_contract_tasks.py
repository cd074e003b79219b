"""The built-in tasks, from small files in each one's own columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from w2s_toolkit.testing import TaskContract

HUB = "needs the hub, which tests do not reach"
SPLITS = {"train": 24, "validation": 8, "test": 8}


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def review(split: str, i: int) -> dict[str, Any]:
    word = ("dreadful", "splendid")[i % 2]
    return {"text": f"The {split} film no. {i} was {word} — naïve, too", "label": i % 2}


FROM_HUB = {"id": HUB, "config": HUB, "revision": HUB}
PAIRS = "in place of label, see below"


class TestTable(TaskContract):
    use = "table"
    fixed = {
        **FROM_HUB,
        "answer": "excludes choices, see below",
        "better": PAIRS,
        "worse": PAIRS,
    }
    other_values = {
        "label_map": {"0": "bad", "1": "good"},
        "id_column": "number",
        "group": "film",
        "label": "points",
        "feeds": {"*": "train"},
    }
    bad_configs = [
        {"path": "no_such_folder"},
        {"template": "the same for all"},
        {"template": "{no_such_column}"},
        {"label": "no_such_column"},
        {"choices": ["only one"]},
        {"choices": ["1", "2"]},
        {"label_map": {"0": "nowhere"}},
        {"feeds": {"*": "no_such_file"}},
        {"id_column": "film"},
        {"group": "{unclosed"},
    ]

    def make_config(self, folder: Path) -> Mapping[str, Any]:
        for split, number in SPLITS.items():
            rows = [{**review(split, i), "number": f"{split}{i}"} for i in range(number)]
            more = [
                {**r, "film": f"{split} {i // 2}", "points": r["label"]} for i, r in enumerate(rows)
            ]
            write(folder / "rows" / f"{split}.jsonl", more)
        return {
            "path": str(folder / "rows"),
            "template": "{film}: {text}",
            "choices": ["bad", "good"],
            "group": "{film}",
        }


class TestTableOfAnswers(TaskContract):
    use = "table"
    fixed = {
        **FROM_HUB,
        "choices": "excludes answer, see above",
        "label_map": "is for choices",
        "better": PAIRS,
        "worse": PAIRS,
    }
    other_values = {
        "id_column": "number",
        "group": "film",
        "label": "points",
        "answer": "{film} is {label}",
        "feeds": {"*": "train"},
    }
    bad_configs = [{"answer": "no_such_column"}, {"answer": None}, {"choices": ["bad", "good"]}]

    def make_config(self, folder: Path) -> Mapping[str, Any]:
        values = dict(TestTable().make_config(folder))
        del values["choices"]
        return {**values, "answer": "label"}


class TestTableWithIds(TestTable):
    own_ids = True

    def make_config(self, folder: Path) -> Mapping[str, Any]:
        values = {**super().make_config(folder), "id_column": "number"}
        values["path"] = {"one": str(folder / "rows" / "train.jsonl")}
        return {**values, "feeds": {"*": "one"}}

    other_values = {
        **TestTable.other_values,
        "id_column": "text",
        "feeds": {"*": "one", "x": "one"},
    }


class TestTableOfPairs(TaskContract):
    use = "table"
    fixed = {
        **FROM_HUB,
        "answer": "excludes choices, see above",
        "label": "pairs have better and worse instead",
        "label_map": "is for labels",
    }
    other_values = {
        "better": "film",
        "worse": "number",
        "id_column": "number",
        "group": "film",
        "feeds": {"*": "train"},
    }
    bad_configs = [{"better": "no_such_column"}, {"worse": None}, {"choices": ["a", "b", "c"]}]

    def make_config(self, folder: Path) -> Mapping[str, Any]:
        values = dict(TestTable().make_config(folder))
        values |= {"template": "First: {first}\nSecond: {second}"}
        return {**values, "better": "text", "worse": "film"}


class TestSst2(TaskContract):
    use = "sst2"
    fixed = {"revision": HUB}
    bad_configs = [{"path": "no_such_folder"}, {"revision": "main"}]

    def make_config(self, folder: Path) -> Mapping[str, Any]:
        for split, number in SPLITS.items():
            rows = [review(split, i) for i in range(number)]
            named = [
                {"idx": i, "sentence": r["text"], "label": r["label"]} for i, r in enumerate(rows)
            ]
            write(folder / "sst2" / f"{split}.jsonl", named)
        return {"path": str(folder / "sst2")}


def question(split: str, i: int) -> dict[str, Any]:
    return {
        "question": f"What is {split} thing {i}?",
        "correct_answer": f"a thing {i}",
        **{f"distractor{k}": f"a stone {k}{i}" for k in (1, 2, 3)},
        "support": f"In {split}, {i} is a thing.",
    }


class TestSciq(TaskContract):
    use = "sciq"
    fixed = {"revision": HUB}
    bad_configs = [{"form": "both"}, {"candidate_seed": -1}]

    def make_config(self, folder: Path) -> Mapping[str, Any]:
        for split, number in SPLITS.items():
            write(folder / "sciq" / f"{split}.jsonl", [question(split, i) for i in range(number)])
        return {"path": str(folder / "sciq")}


class TestSciqChoice(TestSciq):
    def make_config(self, folder: Path) -> Mapping[str, Any]:
        return {**super().make_config(folder), "form": "choice"}
