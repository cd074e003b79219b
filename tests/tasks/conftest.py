"""Tables in every format, and tasks loaded from them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2s_tasks.config import SciqConfig, Sst2Config, TableConfig
from w2s_tasks.sciq import Sciq
from w2s_tasks.sst2 import Sst2
from w2s_tasks.table import Table
from w2s_toolkit.contracts import Row, TaskData
from w2s_toolkit.stages.context import StageContext

Rows = Sequence[Mapping[str, Any]]
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture
def write():
    """Write rows in the format that the file's ending names."""

    def do(path: Path, rows: Rows) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist([dict(r) for r in rows]), path)
        elif path.suffix == ".csv":
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        else:
            lines = (json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
            path.write_text("".join(lines), encoding="utf-8", newline="")
        return path

    return do


@pytest.fixture
def ctx(tmp_path: Path) -> StageContext:
    return StageContext(out=tmp_path, scratch=tmp_path)


@pytest.fixture
def load(ctx):
    """A task's info, rows by source and feeds, from the keys of its config."""
    kinds = {"table": (Table, TableConfig), "sst2": (Sst2, Sst2Config), "sciq": (Sciq, SciqConfig)}

    def do(use: str, **keys: Any) -> tuple[TaskData, dict[str, list[Row]]]:
        task, config = kinds[use]
        data = task(config(**keys)).load(ctx)
        return data, {name: list(rows) for name, rows in data.sources.items()}

    return do


@pytest.fixture
def shared_data():
    """A folder of the shared data; the test is skipped where it is not there."""

    def folder(name: str) -> str:
        if not (SHARED / name).is_dir():
            pytest.skip(f"needs {SHARED / name}")
        return str(SHARED / name)

    return folder
