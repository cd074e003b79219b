"""A comparison of two runs as text: tables on a terminal, a line a difference in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from w2s_toolkit.compare.results import seeds_of
from w2s_toolkit.report.block import ordered
from w2s_toolkit.report.terminal import GAP, blank, line, longest, print_with, table
from w2s_toolkit.report.wording import (
    ROLES,
    SHORT_ROLES,
    Axes,
    count,
    interval,
    metric_name,
    number,
    role_name,
)

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]
SHOWN = 20
"""Packages and stages of one sort that are listed; the rest is counted."""


def print_comparison(found: Mapping[str, Any]) -> None:
    """Print what :func:`~w2s_toolkit.compare.runs.compare_runs` found to stdout."""
    if sys.stdout.isatty():
        print_with(lambda console: _on_terminal(console, found))
    else:
        text = "".join(f"{said}\n" for said in plain_lines(found))
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))


def plain_lines(found: Mapping[str, Any]) -> list[str]:
    """The whole comparison, one line a difference."""
    out = _heads(found)
    for title, rows in _changes(found):
        out += ["", title, *(f"  {name}: {_arrow(a, b)}" for name, a, b in rows)]
    if found["verdict"] == "identical":
        return [*out, "", verdict(found)]
    out += _section("stages", _stages(found["stages"]))
    out += _section("rounds", _decisions(found["decisions"]))
    for title, results in _blocks(found["results"]):
        out += _section(title, [_plain_result(r) for r in results])
        out += [f"  note: {text}" for text in _reasons(results)]
    return [*out, *_section("notes", found["notes"]), "", verdict(found)]


def _on_terminal(console: Console, found: Mapping[str, Any]) -> None:
    for text in _heads(found):
        line(console, text)
    for title, rows in _changes(found):
        blank(console)
        _values(console, title, rows)
    if found["verdict"] != "identical":
        _what_came_out(console, found)
    blank(console)
    line(console, verdict(found), style="bold")


def _what_came_out(console: Console, found: Mapping[str, Any]) -> None:
    blank(console)
    line(console, "stages", style="bold")
    for text in _stages(found["stages"]):
        line(console, text, "  ")
    if found["decisions"]:
        blank(console)
        line(console, "rounds", style="bold")
    for text in _decisions(found["decisions"]):
        line(console, text, "  ")
    for title, results in _blocks(found["results"]):
        blank(console)
        columns = [
            ("", [_subject(r) for r in results], False),
            ("A", [_value(r, "a") for r in results], True),
            ("B", [_value(r, "b") for r in results], True),
            ("B − A", [_difference(r) for r in results], True),
        ]
        table(console, title, columns, 1)
        for text in _reasons(results):
            line(console, text, "note: ", style="dim")
    for text in found["notes"]:
        line(console, text, "note: ", style="bold yellow")


def _values(console: Console, title: str, rows: list[tuple[str, Any, Any]]) -> None:
    """Names with their values in A and B: a table where it fits, otherwise a line each."""
    heads = ("", "A", "B")
    columns = [(h, [_short(row[i]) for row in rows], False) for i, h in enumerate(heads)]
    if sum(GAP + longest(h, cells) for h, cells, _ in columns) <= console.width:
        table(console, title, columns, len(heads))
        return
    line(console, title, style="bold")
    for name, a, b in rows:
        line(console, f"{name}: {_arrow(a, b)}", "  ")


def verdict(found: Mapping[str, Any]) -> str:
    """The last line: whether anything differs."""
    if found["a"]["path"] == found["b"]["path"]:
        return "no difference: A and B are the same run"
    if found["verdict"] == "different":
        parts = [
            count(sum(r["matters"] for r in found["recipe"]), "setting"),
            count(len(found["stages"]["different"]), "stage"),
            count(sum(_differs(r) for r in found["results"]), "result"),
        ]
        return f"different: {', '.join(parts)}"
    more = ", but the environment differs" if found["environment"] else ""
    if found["verdict"] == "incomplete":
        return f"no difference as far as they can be compared{more}"
    return f"no difference{more}"


def _heads(found: Mapping[str, Any]) -> list[str]:
    return [
        f"{side.upper()}  {found[side]['name']}  {found[side]['status']}" for side in ("a", "b")
    ]


def _changes(found: Mapping[str, Any]) -> Iterable[tuple[str, list[tuple[str, Any, Any]]]]:
    """Recipe, inputs and environment: (title, rows of name, A, B)."""
    settings = [r for r in found["recipe"] if r["matters"]]
    silent = len(found["recipe"]) - len(settings)
    title = f"recipe ({count(silent, 'change')} without effect left out)" if silent else "recipe"
    if settings or silent:
        yield title, _whole_blocks([(r["path"], r["a"], r["b"]) for r in settings])
    if found["inputs"]:
        yield (
            "data and models",
            [(f"{r['what']} {r['name']}", r["a"], r["b"]) for r in found["inputs"]],
        )
    rows = [(r["name"], r["a"], r["b"]) for r in found["environment"]]
    if rows:
        more = len(rows) - SHOWN
        yield f"environment{f' ({more} more with --json)' if more > 0 else ''}", rows[:SHOWN]


def _whole_blocks(rows: list[tuple[str, Any, Any]]) -> list[tuple[str, Any, Any]]:
    """A component that only one recipe has is one line, whatever its settings."""
    alone = [
        path.removesuffix(".use")
        for path, a, b in rows
        if path.endswith(".use") and (a is None or b is None)
    ]
    return [
        (path.removesuffix(".use") if path.removesuffix(".use") in alone else path, a, b)
        for path, a, b in rows
        if path.endswith(".use") or not any(path.startswith(f"{block}.") for block in alone)
    ]


def _stages(stages: Mapping[str, Any]) -> list[str]:
    """Shared and different stages; those that only follow from others are counted."""
    different = stages["different"]
    roots: dict[tuple[str, str], list[str]] = {}
    followers = 0
    for row in different:
        if row["changes"] is None:
            why = "which part of its key is not known"
        else:
            parts = [c for c in row["changes"] if not c["place"].startswith("inputs.")]
            why = ", ".join(f"{c['place']} {_arrow(c['a'], c['b'])}" for c in parts)
        if not why:
            followers += 1
            continue
        roots.setdefault((str(row["a"]).partition("[")[0], why), []).append(row["a"])
    out = [f"{len(stages['shared'])} shared, {len(different)} different"]
    out += _few([f"{_together(name, ids)}: {why}" for (name, why), ids in roots.items()])
    if followers:
        out.append(f"{followers}{' more' if roots else ''} follow from other stages")
    for side in ("a", "b"):
        names: dict[str, list[str]] = {}
        for stage in stages[f"only_{side}"]:
            names.setdefault(stage.partition("[")[0], []).append(stage)
        if names:
            listed = ", ".join(_few([_together(name, ids) for name, ids in names.items()]))
            out.append(f"only in {side.upper()}: {listed}")
    return out


def _decisions(decisions: Sequence[Row]) -> list[str]:
    """Who was promoted in rounds that were decided otherwise."""
    groups = {row["group"]: json.loads(row["group"]) for row in decisions}
    axes = Axes(list(groups.values()))
    out = []
    for row in decisions:
        where = ", ".join(filter(None, (row["phase"], axes.label(groups[row["group"]]))))
        what = f"round {row['round']} promoted" if row["round"] else "the rounds began"
        a, b = (
            f"{row[side]['promoted']} of {row[side]['students']}" if row[side] else "not reached"
            for side in ("a", "b")
        )
        out.append(f"{where}: {what}: A {a}, B {b}")
    return _few(out)


def _together(name: str, ids: Sequence[str]) -> str:
    """Stages that differ by axes alone, as ``w2s plan`` shows them."""
    return ids[0] if len(ids) == 1 else f"{name} ×{len(ids)}"


def _few(items: list[str]) -> list[str]:
    more = len(items) - SHOWN
    return [*items[:SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _blocks(results: Sequence[Row]) -> Iterable[tuple[str, list[Row]]]:
    """Results by combination, phase and split, each with a title."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in results:
        found.setdefault((row["group"], row["phase"], row["split"]), []).append(row)
    groups = {group: json.loads(group) for group, _, _ in found}
    axes = Axes(list(groups.values()))
    for (group, phase, split), rows in found.items():
        metrics = list(dict.fromkeys(r["metric"] for r in rows))
        roles = ordered({r["role"] for r in rows})
        shown = [r for r in rows if not _said_elsewhere(r, rows)]
        shown.sort(key=lambda r: (metrics.index(r["metric"]), roles.index(r["role"])))
        label = axes.label(groups[group]) if len(groups) > 1 else ""
        head = " · ".join(filter(None, (phase, split, label)))
        yield f"{head} · {_pairing(shown)}", shown


def _pairing(rows: Sequence[Row]) -> str:
    a, b = seeds_of(rows, "a"), seeds_of(rows, "b")
    if not any(r["low"] is not None or r["high"] is not None for r in rows):
        return "not paired"
    if a == b:
        return f"paired over {'rows, seed' if len(a) == 1 else 'rows and seeds'} {_listed(a)}"
    sides = [_listed(seeds) for seeds in (a, b)]
    return f"paired over rows, but not over seeds (A {sides[0]}; B {sides[1]})"


def _listed(seeds: Sequence[int]) -> str:
    """Seeds; many that follow one another by their ends."""
    if len(seeds) > 5 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _said_elsewhere(row: Row, rows: Sequence[Row]) -> bool:
    """Accuracies that an evaluator such as PGR repeats."""
    if row["metric"] not in ROLES:
        return False
    return any(r["metric"] == "accuracy" and r["role"] == row["metric"] for r in rows)


def _plain_result(row: Row) -> str:
    values = f"A {_value(row, 'a')}, B {_value(row, 'b')}"
    difference = _difference(row)
    return f"{_subject(row)}: {values}" + (f", B − A {difference}" if difference else "")


def _subject(row: Row) -> str:
    role = SHORT_ROLES.get(row["role"]) or role_name(row["role"])
    return f"{role}: {metric_name(row['metric'])}"


def _value(row: Row, side: str) -> str:
    return number(row[side]["value"]) if row[side] else "absent"


def _difference(row: Row) -> str:
    if row["same"]:
        return "same"
    if row["difference"] is None:
        return ""
    return f"{number(row['difference'], signed=True)} {interval(row, signed=True)}".rstrip()


def _differs(row: Row) -> bool:
    return not row["same"] and row["difference"] != 0


def _reasons(rows: Sequence[Row]) -> list[str]:
    """Why differences or intervals are missing, equal reasons together."""
    found: dict[str, list[str]] = {}
    for row in rows:
        # That only one run has it is plain to see.
        if row["reason"] and not row["same"] and row["a"] and row["b"]:
            found.setdefault(str(row["reason"]), []).append(_subject(row))
    both = sum(bool(row["a"] and row["b"]) for row in rows)
    return [
        reason if len(names) == both else f"{', '.join(dict.fromkeys(names))}: {reason}"
        for reason, names in found.items()
    ]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *(f"  {text}" for text in lines)] if lines else []


def _arrow(a: Any, b: Any) -> str:
    return f"{_short(a)} → {_short(b)}"


def _short(value: Any) -> str:
    if value is None:
        return "absent"
    text = str(value)
    words = text.replace(",", " ").split()
    for word in words:  # hashes are told apart by their beginning
        if len(word) >= 40 and all(c in "0123456789abcdef" for c in word):
            text = text.replace(word, word[:10])
    return text
