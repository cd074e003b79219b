"""Files are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2s_toolkit.whole import write_whole


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    for content in (b"one", b"", bytes(range(256))):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_a_name_may_be_as_long_as_names_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_whole(path, b"here")
    assert path.read_bytes() == b"here"


def test_what_cannot_be_moved_into_place_leaves_nothing(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    (taken / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        write_whole(taken, b"never")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]
