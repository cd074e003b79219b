"""What of a run's examples the page carries."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from toy_w2s.recipe import write_recipe
from walked import run_toy, talked_run

from w2s_toolkit.report import examples, payload
from w2s_toolkit.report.artefacts import Artefacts
from w2s_toolkit.report.facts import RunFiles


def _unpack(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(text)))


def _packed(run: Path) -> tuple[Any, Any, list[str]]:
    results = json.loads((run / "results.json").read_text())
    found = examples.browse(RunFiles(run), Artefacts(run), results)
    assert found is not None
    data, talks, notes = payload.packed(found)
    return _unpack(data), _unpack(talks) if talks else [], notes


@pytest.fixture(scope="module")
def talked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    return talked_run(write_recipe(tmp_path_factory.mktemp("talked")))


def test_every_answer_is_that_of_the_tables(talked: tuple[Path, list[str]]) -> None:
    run, ids = talked
    data, _, notes = _packed(run)
    assert notes == []
    view = data["views"][0]
    assert (view["n"], view["split"]) == (200, "test")
    start = view["rows"]
    assert data["ids"][start : start + 200] == ids
    table = pq.read_table(run / "predictions/first/student-test.parquet").to_pydict()
    (student,) = [r for r in view["roles"] if r["role"] == "student"]
    column = data["columns"][student["column"]]
    assert column["a"] == table["predicted"]
    assert column["p"] == [[round(1000 * p) for p in table["p1"]]]
    assert data["columns"][view["gold"]]["a"] == table["gold"]
    assert data["columns"][view["weak"]]["a"] == table["weak"]
    split = pq.read_table(run / "stages/split/test/data.parquet").to_pydict()
    prompts = dict(zip(split["id"], split["prompt"], strict=True))
    assert [data["texts"][data["prompts"][start + n]] for n in range(200)] == [prompts[i] for i in ids]  # fmt: skip


def test_labels_before_and_after_a_refiner_are_sources(tmp_path: Path) -> None:
    run = run_toy(
        write_recipe(tmp_path),
        "phases.first.refine=[{use: toy_sharpen, on: val}]",
        "phases.first.evaluate=[accuracy]",
    )
    data, _, _ = _packed(run)
    (pool,) = [v for v in data["views"] if v["split"] == "pool"]
    refined, given = pool["labels"]
    assert (refined["what"], given["what"]) == ("refined by toy_sharpen", "labelled by toy_bayes")
    sure = [data["columns"][one["column"]]["p"][0] for one in (refined, given)]
    assert sure[0] != sure[1]
    assert pool["readers"] == ["first/student/train"]


def test_texts_are_cut_until_the_page_is_small_enough(
    talked: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = talked
    monkeypatch.setattr(payload, "LONGEST", 50)
    data, _, notes = _packed(run)
    assert max(map(len, data["texts"])) == 51
    assert notes == ["Texts of more than 50 characters are cut."]
    monkeypatch.setattr(payload, "LONGEST", 4000)
    monkeypatch.setattr(payload, "MOST_BYTES", 1)
    data, _, notes = _packed(run)
    assert max(map(len, data["texts"])) == 61
    assert len(data["ids"]) == 400


def test_transcripts_that_are_left_out_are_the_plain_ones(
    talked: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, ids = talked
    _, whole, _ = _packed(run)
    assert sum(len(stage["turns"]) for stage in whole) == 10
    monkeypatch.setattr(payload, "TALK_BYTES", len(payload._pack(whole)) - 40)
    data, talks, notes = _packed(run)
    kept = {data["ids"][int(n)] for stage in talks for n in (*stage["turns"], *stage["verdicts"])}
    assert set(ids[:2]) <= kept < set(ids[:10])
    assert notes[0].startswith(f"Transcripts of {len(kept)} of 10 examples are shown")
    # Filters know of those that are left out too.
    assert len({n for stage in data["talks"] for n in stage["turns"]}) == 10


def test_rows_beyond_the_room_of_a_page_are_told(
    talked: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, ids = talked
    monkeypatch.setattr(examples, "MOST_ROWS", 150)
    data, _, notes = _packed(run)
    assert data["ids"] == ids[:150]
    assert data["views"][0]["of"] == 200
    assert "The first 150 of 200 rows of test are shown." in notes
    assert "1 of 2 combinations are shown; the tables in predictions/ hold all." in notes


def test_a_run_without_its_store_is_shown_without_texts(
    talked: tuple[Path, list[str]], tmp_path: Path
) -> None:
    import shutil

    moved = shutil.copytree(talked[0], tmp_path / "moved", symlinks=True)
    data, _, notes = _packed(moved)
    assert set(data["texts"]) == {""}
    assert data["views"][0]["labels"] == []
    assert "Texts are left out" in notes[0]


def test_damaged_transcripts_do_not_stop_the_report(tmp_path: Path) -> None:
    run, _ = talked_run(write_recipe(tmp_path))
    (file,) = run.resolve().parents[1].glob("store/objects/*/*/transcripts.jsonl")
    with file.open("ab") as out:
        out.write(b'{"example_id": 3}\n')
    data, _, notes = _packed(run)
    assert len(data["ids"]) == 400
    assert any("cannot be read: this line is no turn" in note for note in notes)
