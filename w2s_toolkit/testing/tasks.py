"""The contract of tasks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

from w2s_toolkit.arrow import read_parquet
from w2s_toolkit.contracts import StageJob, Task
from w2s_toolkit.data import EXAMPLE_SCHEMA, Dataset, content_id
from w2s_toolkit.stages.rows import ROWS, draw_split, read_info
from w2s_toolkit.testing.bench import Bench, unequal_files
from w2s_toolkit.testing.breach import breach, expected_to_work
from w2s_toolkit.testing.component import Values
from w2s_toolkit.testing.stages import StageContract
from w2s_toolkit.testing.vary import with_value


class TaskContract(StageContract):
    """Data sets turned into examples. Give it a few rows of every kind that occurs.

    Attributes:
        splits: rows of recipe splits that its data is enough for, without cutting groups.
        own_ids: whether rows have ids of their own, which label files may refer to.
    """

    kind: ClassVar[str] = "tasks"
    protocol: ClassVar[type | None] = Task
    splits: ClassVar[Values] = {"weak_train": 4, "pool": 4, "val": 2, "test": 2}
    own_ids: ClassVar[bool] = False

    def jobs(self, bench: Bench, values: Values | None = None) -> list[StageJob]:
        """Load the rows."""
        return [bench.job("data", {}, values=values)]

    def read(self, folder: Path) -> Any:
        """All rows as one data set."""
        table = read_parquet(folder / ROWS, EXAMPLE_SCHEMA.names)
        return Dataset(table, read_info(folder)[0], "all rows")

    def all_rows(self, bench: Bench) -> Dataset:
        """All rows of all sources."""
        data: Dataset = self.read(self.undisturbed(bench)[1][0].folder)
        return data

    def test_ids_follow_from_content(self, bench: Bench) -> None:
        """Ids are unique and made by the toolkit from prompt and choices, or the data's own."""
        data = self.all_rows(bench)
        seen: dict[str, int] = {}
        strange = []
        for example in data:
            plain = content_id(example.prompt, example.choices)
            number = seen.get(plain, 0)
            seen[plain] = number + 1
            wanted = content_id(example.prompt, example.choices, number) if number else plain
            strange += [] if example.id == wanted else [example.id]
        if strange and not self.own_ids:
            breach(
                "ids follow from a row's content, so that they survive a new order of the file",
                f"{len(strange)} rows have other ids, such as {strange[0]!r}",
                "leave Row.id out, or set own_ids = True where files refer to these ids",
            )

    def test_rows_are_whole(self, bench: Bench) -> None:
        """Every row has a text, its choices, and a gold answer that is one of them."""
        data = self.all_rows(bench)
        kind, classes = data.info.kind, data.info.classes
        for example in data:
            wrong = ""
            if kind == "generation":
                wrong = "no gold text" if example.gold_text is None else ""
            elif len(example.choices) < 2:
                wrong = f"{len(example.choices)} choices"
            elif classes and example.choices != classes:
                wrong = f"choices {example.choices} in a task with classes {classes}"
            elif example.gold is None:
                wrong = "no gold"
            if not wrong and not example.group:
                wrong = "no group"
            if wrong:
                breach(
                    "every row has choices, gold and a group",
                    f"{example.prompt[:60]!r}: {wrong}",
                    "leave rows without a gold answer out, and count them with ctx.warn",
                )

    def test_gold_is_not_in_the_text(self, bench: Bench) -> None:
        """Blind rows hold no gold, and rows that differ in gold alone read the same."""
        data = self.all_rows(bench)
        blind = data.blind()
        left = [c for c in ("gold", "gold_text") if blind.table[c].null_count < len(blind)]
        if left or blind.digest != data.digest:
            breach("blind data holds no gold", f"{', '.join(left)} is left", "see Dataset.blind")
        if data.info.kind == "generation":
            return
        names = [e.choices[e.gold] for e in data if e.gold is not None]
        ends = [e.prompt.rstrip().casefold() for e in data]
        told = sum(p.endswith(n.casefold()) for p, n in zip(ends, names, strict=True))
        if told == len(data):
            breach(
                "the prompt does not end in its gold answer",
                f"all {told} prompts do, such as {data.prompts[0][-60:]!r}",
                "leave the answer out of the template",
            )

    def test_splits_share_no_group(self, bench: Bench) -> None:
        """Splits drawn from it hold different rows and different groups."""
        folder = self.undisturbed(bench)[1][0].folder
        drawn: list[dict[str, Any]] = []
        where: dict[str, str] = {}
        for name, size in self.splits.items():
            drawn.append({"name": name, "size": size, "seed": "1"})
            rule = f"a split of {size} rows can be drawn for {name!r}"
            with expected_to_work(rule, "give more rows, or other `splits`"):
                data = draw_split(folder, drawn, balance=True)
            for group in set(data.groups):
                if where.setdefault(group, name) != name:
                    breach(
                        "splits share no group",
                        f"group {group} is in {where[group]} and {name}",
                        "name what ties rows together in Row.group",
                    )

    def test_moved_files_give_the_same_rows(self, bench: Bench) -> None:
        """Rows do not depend on where the files lie, nor on when they are read."""
        config = bench.config()
        values: Any = bench.values
        model = bench.registry.config_model(bench.component)
        for use in config.uses("path"):
            target = bench.folder("moved") / Path(str(use.value)).name
            copy = shutil.copytree if Path(str(use.value)).is_dir() else shutil.copy2
            copy(str(use.value), target)
            values = with_value(model, values, tuple(map(str, use.location)), str(target))
        made = bench.run(self.jobs(bench, values), bench.store())[0]
        known = self.undisturbed(bench)[1][0]
        if differing := unequal_files(known.files, made.files):
            breach(
                "the same files elsewhere give the same rows",
                f"another {differing}",
                "keep paths out of rows and their meta",
            )

    def test_gold_is_spread_over_classes(self, bench: Bench) -> None:
        """The rows given to this test hold every class, so that the other tests mean something."""
        data = self.all_rows(bench)
        if data.info.kind == "generation":
            return
        missing = set(range(data.num_classes)) - set(data.gold.tolist())
        if missing:
            breach(
                "the test's rows hold every class",
                f"none is of class {sorted(missing)}",
                "give rows of every class",
            )

    def test_source_names_are_words(self, bench: Bench) -> None:
        """Every split is fed by a source that exists."""
        folder = self.undisturbed(bench)[1][0].folder
        feeds = read_info(folder)[1]
        sources = set(read_parquet(folder / ROWS, ["source"])["source"].to_pylist())
        lost = {s: f for s, f in feeds.items() if f not in sources}
        if lost or not feeds:
            breach(
                "feeds name sources that have rows",
                json.dumps(lost) if lost else "there are no feeds",
                "give feeds={'*': <source>} and the sources of special splits",
            )
