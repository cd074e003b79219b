"""Splits: exact sizes, balance, groups, independence of row order."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_toolkit.errors import DataError
from w2s_toolkit.split_names import drawing_order
from w2s_toolkit.splits import Source, SplitRequest, draw

CLASSES = ("no", "yes")


def _requests(sizes: dict[str, int | None], seed: str = "0") -> list[SplitRequest]:
    return [SplitRequest(name, sizes[name], seed) for name in drawing_order(list(sizes))]


def _source(groups: list[int], classes: list[int]) -> Source:
    return Source([f"g{g}" for g in groups], np.array(classes, dtype=np.int64))


@st.composite
def _tables(strategy):  # type: ignore[no-untyped-def]
    """Rows in groups of one to four with any classes."""
    sizes = strategy(st.lists(st.integers(1, 4), min_size=30, max_size=60))
    groups = [g for g, size in enumerate(sizes) for _ in range(size)]
    classes = strategy(st.lists(st.integers(0, 1), min_size=len(groups), max_size=len(groups)))
    return groups, classes


@settings(max_examples=60, deadline=None)
@given(_tables(), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_splits_are_exact_disjoint_by_group_and_balanced(
    table: tuple[list[int], list[int]], train: int, test: int, balance: bool
) -> None:
    source = _source(*table)
    try:
        drawn = draw(
            {"data": source},
            {"*": "data"},
            _requests({"train": train, "test": test}),
            classes=CLASSES,
            balance=balance,
        )
    except DataError:
        counts = np.bincount(source.classes, minlength=2)
        assert counts.min() < 4 * (train + test), "refused although there were plenty of rows"
        return
    assert {n: len(r) for n, r in drawn.items()} == {"train": train, "test": test}
    groups = {n: {source.groups[i] for i in rows} for n, rows in drawn.items()}
    assert not groups["train"] & groups["test"]
    for rows in drawn.values():
        assert len(set(rows.tolist())) == len(rows)
        ones = int(source.classes[rows].sum())
        assert not balance or abs(len(rows) - 2 * ones) <= 1


def test_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    groups, classes = list(range(200)), rng.integers(0, 2, 200).tolist()
    first = draw(
        {"d": _source(groups, classes)},
        {"*": "d"},
        _requests({"a": 40}),
        classes=CLASSES,
        balance=True,
    )
    order = rng.permutation(200)
    shuffled = _source([groups[i] for i in order], [classes[i] for i in order])
    second = draw({"d": shuffled}, {"*": "d"}, _requests({"a": 40}), classes=CLASSES, balance=True)
    assert [f"g{groups[i]}" for i in first["a"]] == [shuffled.groups[i] for i in second["a"]]


def test_a_training_size_does_not_move_the_test_split() -> None:
    source = _source(list(range(300)), [i % 2 for i in range(300)])
    feeds = {"*": "d"}
    small = draw(
        {"d": source}, feeds, _requests({"pool": 20, "test": 50}), classes=CLASSES, balance=True
    )
    large = draw(
        {"d": source}, feeds, _requests({"pool": 90, "test": 50}), classes=CLASSES, balance=True
    )
    assert small["test"].tolist() == large["test"].tolist()
    assert set(small["pool"].tolist()) < set(large["pool"].tolist())


def test_all_takes_what_is_left_balanced() -> None:
    source = _source(list(range(100)), [0] * 30 + [1] * 70)
    drawn = draw(
        {"d": source}, {"*": "d"}, _requests({"test": None}), classes=CLASSES, balance=True
    )
    assert len(drawn["test"]) == 60
    loose = draw(
        {"d": source}, {"*": "d"}, _requests({"test": None}), classes=CLASSES, balance=False
    )
    assert len(loose["test"]) == 100


def test_groups_are_kept_apart_across_sources() -> None:
    train, test = _source([1, 2, 3, 4], [0, 1, 0, 1]), _source([1, 2], [0, 1])
    drawn = draw(
        {"train": train, "test": test},
        {"test": "test", "*": "train"},
        _requests({"pool": 2, "test": 2}),
        classes=CLASSES,
        balance=True,
    )
    assert {train.groups[i] for i in drawn["pool"]} == {"g3", "g4"}


def test_too_few_rows_say_how_many_there_are() -> None:
    source = _source(list(range(10)), [0] * 8 + [1] * 2)
    with pytest.raises(DataError, match=r"needs 8 rows.*has 10 left \(8 'no', 2 'yes'\)"):
        draw({"d": source}, {"*": "d"}, _requests({"pool": 8}), classes=CLASSES, balance=True)
    with pytest.raises(DataError, match="which the task does not have"):
        draw({"d": source}, {"*": "e"}, _requests({"pool": 8}), classes=CLASSES, balance=True)


def _one_by_one(
    source: Source, size: int, seed: str, taken: set[str], *, balance: bool
) -> list[int]:
    """The definition: groups in the order of the draw, whole ones that fit, then parts."""
    left = {k: size // 2 + (k < size % 2) for k in (0, 1)} if balance else {0: size}
    members: dict[str, list[int]] = {}
    for row, group in enumerate(source.groups):
        if group not in taken:
            members.setdefault(group, []).append(row)
    order = sorted(members, key=lambda g: hashlib.sha256(f"{seed}:{g}".encode()).digest())
    chosen, skipped = [], []
    for group in order:
        kinds = [int(source.classes[r]) if balance else 0 for r in members[group]]
        if all(left.get(k, 0) >= kinds.count(k) for k in kinds):
            chosen += members[group]
            for k in kinds:
                left[k] -= 1
        else:
            skipped += members[group]
    for row in skipped:
        k = int(source.classes[row]) if balance else 0
        if left.get(k, 0):
            chosen.append(row)
            left[k] -= 1
    return chosen


@settings(max_examples=150, deadline=None)
@given(_tables(), st.integers(1, 12), st.integers(1, 12), st.booleans(), st.booleans())
def test_drawing_all_at_once_is_drawing_group_by_group(
    table: tuple[list[int], list[int]], test: int, pool: int, balance: bool, unlabelled: bool
) -> None:
    groups, classes = table
    source = _source([g % 17 for g in groups] if pool % 2 else groups, classes)
    if unlabelled:
        source.classes[::5] = -1
    requests = _requests({"test": test, "pool": pool}, seed="s")
    expected, taken = {}, set[str]()
    for request in requests:
        rows = _one_by_one(source, request.size or 0, request.seed, taken, balance=balance)
        expected[request.name] = rows
        taken |= {source.groups[r] for r in rows}
    whole = all(len(rows) == r.size for rows, r in zip(expected.values(), requests, strict=True))
    try:
        drawn = draw({"d": source}, {"*": "d"}, requests, classes=CLASSES, balance=balance)
    except DataError:
        assert not whole
        return
    assert whole
    assert {name: rows.tolist() for name, rows in drawn.items()} == expected
