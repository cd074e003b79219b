"""Random changes to the tree, the text, the bytes and the options of a recipe."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Raw(str):
    """YAML that is written as it stands."""


ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 10**30, -(10**30), 2**31, 2**63, 10**5000, 1e308, 1e-320, 0.5,
    "", " ", "all", "null", "~", "no", "@prev.student", "@", "test", "pool", "weak", "accuracy",
    "../../../etc/passwd", "/", "/dev/zero", "/dev/full", ".", "..", "~nobody/x", "~missing_user/x",
    "x\x00y", "\ud800", "a" * 300, "a" * 5000, "a/" * 3000, "é", "e\u0301", "\u202e", "\u2028", "🙂",
    "{", "}", "{}", "{text", "{text}{", "{0}", "{text.__class__}", "${HOME}", "%s", "\t", "\n", "\x1b[31m",
    [], {}, [[]], [{}], [None], {"": ""}, {"use": None}, {"use": "toy"}, {"use": []}, {"use": ""},
    {"use": "hf", "id": "a/b"}, {"name": "x"}, ["accuracy", "accuracy"], [1, 2, 3], [1, 1], "rows.jsonl",
    "models/decoder", "models", "empty.jsonl", "hub", "toy_student", "finetuned", "phases.first.student.model",
    *map(Raw, (
        ".nan", ".inf", "-.inf", "1e400", "0o17", "0x1F", "0b11", "1_000", "017", "1__0", "+1", "-0",
        "2024-01-01", "2024-01-01T00:00:00Z", "2024-13-45", "12:30:45", "190:20:30", "!!binary aGk=",
        "!!set {a, b}", "!!omap [a: 1]", "!!python/object/apply:os.system [ls]", "!!int x", "!!int ''",
        "!!float x", "!!bool x", "!!null x", "!!str 1", "!!timestamp x", "! x", "!<tag:x> y", "!x {}",
        "&a [*a]", "&a {b: *a}", "*nowhere", "{<<: *nowhere}", "{<<: {use: toy}}", "<<", "=", "!!merge x",
        "[[[[[]]]]]", "{? [a] : b}", "{[a]: b}", "{{}: 1}", "{? : }", "{null: 1}", "{1: 2, '1': 3}", "{true: 1}",
        "'", '"', '"\\ud800"', '"\\x00"', '"\\U00110000"', '"\\q"', "|", ">-", "- x", "a: b", "#", "%", "@", "`",
        "---", "...", "? x", ": x", "{", "[", "}", "]", ",", "1 2", "[1, 2", "0x", "0o", "0o9", "1e", ".", "-.",
        "9" * 5000, "[" * 200 + "]" * 200, "{a: " * 200 + "}" * 200,
    )),
)  # fmt: skip
"""Values that someone, somewhere, has written into a recipe."""

CHARACTERS = (
    "\t\n\r\x00\x07\x1b\x7f\x85\xa0\u2028\u2029\ufeff\ufffe{}[]:,#&*!|>'\"%@`-?~<=\\ 019aé🙂"
)

SNIPPETS = (
    "&a ", "*a", "!!str ", "!!int ", "!x ", "<<: *a", "<<: {}", "? ", ": ", "- ", "---\n", "...\n",
    "%YAML 1.1\n", "%YAML 9.9\n", "%TAG ! tag:x:\n", "\t", "  ", "\ufeff", "|\n", ">\n", "# ", ".nan",
    "&a [*a]", "0o17", "0x1F", "2024-01-01", "null", "{{}}", "[]", "{}", "'", '"', "\\", "\u2028", "\x85",
)  # fmt: skip


class Case(NamedTuple):
    """One mutated recipe: the bytes of its file and the ``--set`` options beside it."""

    base: str
    content: bytes
    overrides: tuple[str, ...]


def make_case(bases: dict[str, str], seed: int, number: int) -> Case:
    """The case of a seed and a number."""
    draw = random.Random(f"{seed}:{number}")
    base = draw.choice(sorted(bases))
    text, overrides, content = bases[base], (), None
    kind = draw.choices(("tree", "text", "set", "bytes"), (50, 30, 15, 5))[0]
    if kind == "tree":
        text = _mutated_tree(text, draw)
    elif kind == "set":
        overrides = tuple(_override(text, draw) for _ in range(draw.choice((1, 1, 1, 2, 3))))
    elif kind == "bytes":
        content = _mutated_bytes(text, draw)
    if kind == "text" or draw.random() < 0.05:
        text = _mutated_text(text, draw)
    if content is None:
        content = text.encode("utf-8", "surrogatepass")
    return Case(base, content, overrides)


def _mutated_tree(text: str, draw: random.Random) -> str:
    tree = copy.deepcopy(_parsed(text))
    for _ in range(draw.choice((1, 1, 1, 1, 1, 2, 3, 6))):
        places = list(_places(tree))
        if not places:
            break
        draw.choice(_TREE_CHANGES)(tree, places, draw)
    return _dump(tree)


def _parsed(text: str) -> Any:
    if text not in _PARSED:
        from w2s_toolkit.recipe.tree import parse_tree

        _PARSED[text] = parse_tree(text, "base").value
    return _PARSED[text]


_PARSED: dict[str, Any] = {}


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) below a node."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    if isinstance(node, dict | list):
        for key, child in items:
            yield node, key
            yield from _places(child) if isinstance(child, dict | list) else ()


def _delete(tree: Any, places: list[Any], draw: random.Random) -> None:
    node, key = draw.choice(places)
    del node[key]


def _replace(tree: Any, places: list[Any], draw: random.Random) -> None:
    node, key = draw.choice(places)
    node[key] = copy.deepcopy(draw.choice(ODD))


def _vary(tree: Any, places: list[Any], draw: random.Random) -> None:
    """Another value of the same kind: often still a recipe that can be planned."""
    node, key = draw.choice(places)
    value = node[key]
    alike = [n[k] for n, k in places if type(n[k]) is type(value) and not isinstance(value, dict)]
    if isinstance(value, bool):
        node[key] = not value
    elif isinstance(value, int):
        node[key] = draw.choice((value + 1, value // 2, value * 10, *alike))
    elif isinstance(value, float):
        node[key] = draw.choice((value * 3, value / 3, 1.0, *alike))
    elif alike:
        node[key] = copy.deepcopy(draw.choice(alike))
    else:
        node[key] = dict(reversed(value.items()))


def _leave_out(tree: Any, places: list[Any], draw: random.Random) -> None:
    leaves = [(n, k) for n, k in places if not isinstance(n[k], dict | list) and n is not tree]
    node, key = draw.choice(leaves or places)
    del node[key]


def _rename(tree: Any, places: list[Any], draw: random.Random) -> None:
    node, key = draw.choice(places)
    if isinstance(node, list):
        return _replace(tree, places, draw)
    odd = draw.choice([str(o) for o in ODD if isinstance(o, str | int) and o != 10**5000])
    name = draw.choice((key + "s", key[:-1], key.upper(), key[::-1], odd, key + ".x", Raw(odd)))
    changed = {(name if k == key else k): v for k, v in node.items()}
    node.clear()
    node.update(changed)
    return None


def _move(tree: Any, places: list[Any], draw: random.Random) -> None:
    node, key = draw.choice(places)
    value = node[key]
    goal, at = draw.choice(places)
    if draw.random() < 0.5:
        del node[key]
    if isinstance(goal, dict):
        goal[draw.choice((key, at)) if isinstance(key, str) else str(at)] = copy.deepcopy(value)
    else:
        goal.insert(draw.randrange(len(goal) + 1), copy.deepcopy(value))


def _swap(tree: Any, places: list[Any], draw: random.Random) -> None:
    (one, a), (two, b) = draw.choice(places), draw.choice(places)
    one[a], two[b] = copy.deepcopy(two[b]), copy.deepcopy(one[a])


def _wrap(tree: Any, places: list[Any], draw: random.Random) -> None:
    node, key = draw.choice(places)
    value = node[key]
    node[key] = draw.choice(
        ([value], {"use": value}, {key: value}, [value, value], {"x": [value]}, str(value))
    )


def _nest(tree: Any, places: list[Any], draw: random.Random) -> None:
    node, key = draw.choice(places)
    value = node[key]
    for _ in range(draw.choice((3, 30, 60))):
        value = [value] if draw.random() < 0.5 else {"a": value}
    node[key] = value


def _sweep(tree: Any, places: list[Any], draw: random.Random) -> None:
    axes = tree.setdefault("matrix", {}) if isinstance(tree, dict) else None
    if isinstance(axes, dict):
        values = [copy.deepcopy(draw.choice(ODD)) for _ in range(draw.randrange(4))]
        axes[_address(tree, draw)] = draw.choice((values, values, [0, 1], draw.choice(ODD)))


def _typo(tree: Any, places: list[Any], draw: random.Random) -> None:
    node, key = draw.choice(places)
    if isinstance(node[key], str) and node[key]:
        at = draw.randrange(len(node[key]))
        node[key] = node[key][:at] + draw.choice(CHARACTERS) + node[key][at + draw.randrange(2) :]


_TREE_CHANGES: tuple[Callable[[Any, list[Any], random.Random], None], ...] = (
    _vary, _vary, _vary, _vary, _vary, _leave_out, _leave_out, _leave_out, _delete,
    _replace, _replace, _replace, _rename, _move, _swap, _wrap, _nest, _sweep, _typo,
)  # fmt: skip


def _override(text: str, draw: random.Random) -> str:
    tree = _parsed(text)
    if draw.random() < 0.4:
        return _sensible_override(tree, draw)
    address = _address(tree, draw)
    if draw.random() < 0.1:
        return address
    value = draw.choice(ODD)
    written = (
        _flow(value) if draw.random() < 0.8 else str(value)[:6000] if value != 10**5000 else "9"
    )
    return f"{address}={written}"


def _sensible_override(tree: Any, draw: random.Random) -> str:
    phase = draw.choice(tree["phases"])["name"]
    names = ["a", *tree["models"]]
    return draw.choice(
        (
            f"seed={draw.choice(('1', '[0, 1]', '[3]', '2147483647', '-1'))}",
            f"name={draw.choice(('x', 'x y', 'X-1', ''))}",
            f"description={draw.choice(('x', 'é', '1'))}",
            f"task.splits.{draw.choice(('pool', 'test', 'val_2', 'a.b'))}={draw.choice(('3', 'all', '0'))}",
            f"task.balance={draw.choice(('true', 'no', 'null'))}",
            f"phases.{phase}.student={draw.choice(('null', 'toy_student', 'classifier'))}",
            f"phases.{phase}.student.model={draw.choice(names)}",
            f"phases.{draw.choice(('0', phase))}.supervisors.0.model={draw.choice(names)}",
            f"phases.{phase}.evaluate={draw.choice(('[accuracy]', 'accuracy', '[{use: pgr, on: val}]'))}",
            f"phases.{phase}.oversight={draw.choice(('[]', '[toy_hint]', 'null'))}",
            f"baselines={draw.choice(('[]', '[weak_floor]', 'weak_floor'))}",
            f"matrix.{draw.choice(('seed', 'task.balance', 'phases.0.allow_overlap'))}=[0, 1]",
            f"matrix.phases.{phase}.student.epochs={draw.choice(('[1, 2]', '[]', '2'))}",
            f"matrix={draw.choice(('{}', 'null', '{seed: [4, 5]}'))}",
            f"models.{draw.choice(names)}.{draw.choice(('id', 'max_length', 'letters'))}="
            f"{draw.choice(('models/decoder', '9', 'null'))}",
        )
    )


def _address(tree: Any, draw: random.Random) -> str:
    """A dotted address that exists, nearly exists, or does not."""
    words: list[str] = []
    node = tree
    for _ in range(draw.choice((1, 2, 3, 3, 4, 4, 5))):
        if isinstance(node, dict) and node:
            key = draw.choice(list(node))
            words.append(str(key))
            node = node[key]
        elif isinstance(node, list) and node:
            at = draw.randrange(len(node))
            node = node[at]
            named = node.get("name") or node.get("use") if isinstance(node, dict) else None
            words.append(str(draw.choice((at, named or node if isinstance(node, str) else at))))
        else:
            break
    if draw.random() < 0.15:
        words.insert(
            draw.randrange(len(words) + 1),
            draw.choice(("", "x", "0", "99", "-1", "²", "use", "\x00")),
        )
    if draw.random() < 0.1:
        words.insert(0, "matrix")
    return ".".join(words)


def _mutated_text(text: str, draw: random.Random) -> str:
    for _ in range(draw.choice((1, 1, 2, 4, 10))):
        text = draw.choice(_TEXT_CHANGES)(text, draw)
    return text


def _change_character(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text) + 1)
    return text[:at] + draw.choice((*CHARACTERS, "")) + text[at + draw.randrange(2) :]


def _insert_snippet(text: str, draw: random.Random) -> str:
    at = draw.choice([m.start() for m in re.finditer(r"\b|^", text, re.MULTILINE)] or [0])
    return text[:at] + draw.choice(SNIPPETS) + text[at:]


def _change_line(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    at = draw.randrange(len(lines))
    line = lines[at]
    lines[at : at + 1] = draw.choice(
        ([], [line, line], ["  " + line], [line[1:]], ["\t" + line], [line.strip()],
         [line.replace(" ", "\t", 1)], [line + " # x"], [line.replace(": ", ":", 1)], ["- " + line],
         [line.replace(":", ": &a", 1), "z: *a"], [line[: draw.randrange(len(line) + 1)]], [line + "\r"])
    )  # fmt: skip
    return "\n".join(lines)


def _swap_lines(text: str, draw: random.Random) -> str:
    lines = text.split("\n")
    a, b = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return "\n".join(lines)


def _cut(text: str, draw: random.Random) -> str:
    a, b = sorted((draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)))
    return draw.choice((text[:a], text[a:b], text[:a] + text[b:], text + text[a:b]))


def _write_odd_value(text: str, draw: random.Random) -> str:
    found = list(re.finditer(r"(?<=: )[^,{}\[\]\n]+", text))
    if not found:
        return text
    match = draw.choice(found)
    return text[: match.start()] + _flow(draw.choice(ODD)) + text[match.end() :]


def _go_deep(text: str, draw: random.Random) -> str:
    depth = draw.choice((50, 1000, 20_000))
    opening = draw.choice(("[", "{a: ", "- ", "? ", "[[", "!!seq [", "{? "))
    return draw.choice((text + "deep: ", "")) + opening * depth


_TEXT_CHANGES: tuple[Callable[[str, random.Random], str], ...] = (
    _change_character, _change_character, _change_character, _insert_snippet, _insert_snippet,
    _change_line, _change_line, _swap_lines, _cut, _write_odd_value, _write_odd_value,
    *(lambda text, draw: _go_deep(text, draw) if draw.random() < 0.1 else text,),
)  # fmt: skip


def _mutated_bytes(text: str, draw: random.Random) -> bytes:
    encoding = draw.choice(
        ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "cp1252", "utf-7")
    )
    raw = text.replace("a b", "à b").encode(encoding, "replace")
    if draw.random() < 0.5:
        raw = text.encode()
        for _ in range(draw.choice((1, 3, 50))):
            at = draw.randrange(len(raw) + 1)
            raw = raw[:at] + bytes([draw.randrange(256)]) + raw[at + draw.randrange(2) :]
    return draw.choice((raw, raw, raw, raw + b"\x00", b"\xff\xfe" + raw, draw.randbytes(200)))


def _dump(node: Any) -> str:
    """A document with one top-level key a line, its values in flow style."""
    if not isinstance(node, dict):
        return _flow(node)
    return "".join(f"{_flow(key)}: {_block(value)}\n" for key, value in node.items())


def _block(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(v, dict) and v for v in value):
        items = (
            "\n  - " + "\n    ".join(f"{_flow(k)}: {_flow(v)}" for k, v in i.items()) for i in value
        )
        return "".join(items)
    return _flow(value)


def _flow(value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, int) and abs(value) > 10**4000:
        return "1" + "0" * 5000
    if isinstance(value, str) and re.fullmatch(r"[a-z_]+", value):
        return value
    return json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())
