"""Recipe files and options that cannot be meant: each is one clear error, found at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

Fails = Callable[..., str]
GOOD = "schema: 1\nname: x\ntask: {use: table}\nphases: []\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the recipe is empty"),
        (b"# nothing but a comment\n", "the recipe is empty"),
        (GOOD.encode("utf-16"), "bad.yaml:1: this is not UTF-8: byte 0xff at 0"),
        (GOOD.encode("utf-16-le"), "bad.yaml:1: the character U+0000 is not allowed"),
        (GOOD.encode("utf-32"), "bad.yaml:1: this is not UTF-8"),
        ("name: 1\ndescription: café\n".encode("latin-1"), "bad.yaml:2: this is not UTF-8: byte 0xe9"),
        (b"name: x\ntask\0: 1\n", "bad.yaml:2: the character U+0000 is not allowed in YAML"),
        (b'name: "a\\0b"\n', "bad.yaml:1: 'a\\x00b' holds a zero byte"),
        (b'a: 1\nname: "\\ud800"\n', "bad.yaml:2: '\\ud800' holds a zero byte or half of a surrogate"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\xff\xfe", "bad.yaml:1: this is not UTF-8"),
        (b"name: x\n\tseed: 1\n", "bad.yaml:2: not valid YAML"),
        (b"%YAML 9.9\n---\nname: x\n", "bad.yaml:1: recipes are YAML 1.2, not another"),
        (b"a: 1\na: 2\n", "bad.yaml:2: the key 'a' stands twice"),
        (b"x: &x {a: 1}\ny: {<<: *x}\n", "bad.yaml:2: merge keys (<<) are not supported"),
        (b"a: !!python/object/apply:os.system [ls]\n", "bad.yaml:1: the tag"),
        (b"seed: " + b"9" * 5000 + b"\n", "bad.yaml:1: '999"),
        (b"seed: .nan\n", "seed: input should be a valid integer"),
        (b"a: " + b"[" * 100_000, "bad.yaml:1: the recipe is nested too deeply"),
        (b"a:\n" + b"- " * 100_000, "bad.yaml:2: the recipe is nested too deeply"),
        (b"\n".join(b" " * i + b"a:" for i in range(500)), "nested too deeply"),
        (b"a: " + b"x" * 1_000_000, "at most 250,000 bytes"),
    ],
)  # fmt: skip
def test_a_faulty_file_says_where_what_and_what_next(
    fails: Fails, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "bad.yaml").write_bytes(content)
    assert says in fails("validate", "bad.yaml")


def test_a_byte_order_mark_is_no_fault(fails: Fails, toy_recipe: Path) -> None:
    toy_recipe.write_bytes(
        b"\xef\xbb\xbf" + toy_recipe.read_bytes().replace(b"name: toy", b"nam: toy")
    )
    assert "toy.yaml:2: nam: unknown key 'nam'; did you mean 'name'?" in fails(
        "validate", toy_recipe
    )


def test_a_bomb_of_aliases_is_refused(fails: Fails, tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    assert "unfolds into too many" in fails("plan", "bomb.yaml")


def test_a_huge_file_is_not_read_to_its_end(fails: Fails, tmp_path: Path) -> None:
    with (tmp_path / "huge.yaml").open("wb") as file:
        file.truncate(10**12)  # takes no space, but nobody could hold it
    assert "huge.yaml: a recipe is at most" in fails("validate", "huge.yaml")


def test_what_is_no_file_is_not_opened(fails: Fails, tmp_path: Path) -> None:
    assert "this is a folder, not a recipe file" in fails("validate", tmp_path)
    os.mkfifo(tmp_path / "pipe.yaml")
    waits = threading.Timer(20, os._exit, [1])  # opening a pipe would wait for ever
    waits.start()
    assert "a pipe, socket or device, not a recipe file" in fails("validate", "pipe.yaml")
    assert "a pipe, socket or device" in fails("run", "/dev/zero")
    waits.cancel()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    for name in ("loop.yaml", "x" * 5000, "a\0b", "sst2_minlm"):
        assert "there is no recipe file or shipped recipe" in fails("validate", name)


def test_a_recipe_that_may_not_be_read(fails: Fails, toy_recipe: Path, monkeypatch) -> None:
    from w2s_toolkit.recipe import load

    monkeypatch.setattr(load, "find_recipe", lambda *_: Path("missing.yaml"))
    assert "missing.yaml: the recipe cannot be read: No such file" in fails("validate", "any")


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("", "--set '' is not of the form path=value"),
        ("=3", "is not of the form path=value"),
        ("seed", "--set 'seed' is not of the form path=value"),
        ("seed=", "seed: input should be a valid integer (given: null)"),
        ("seed=[1", "--set 'seed=[1': not valid YAML"),
        ("seed=1\nname: y", "this is more than one value"),
        ("seed=&a [*a]", "unfolds into too many"),
        ("sed=3", "there is no 'sed' in the recipe; did you mean 'seed'?"),
        ("seed.x.y=3", "there is no 'x' in seed"),
        ("name.x=3", "name is 'toy', which has nothing inside"),
        ("phases.frist.pool=pool", "phases has no item 'frist'; did you mean 'first'?"),
        ("phases.99.pool=pool", "phases has no item '99'"),
        ("phases.².pool=pool", "phases has no item '²'"),
        ("phases.-1.pool=pool", "phases has no item '-1'"),
        ("models=3", "models: this should be a mapping, {key: value} (given: 3)"),
        ("phases=[]", "phases: list should have at least 1 item"),
        ("task.path=~nobody_has_this_name/x", "there is no file or folder"),
        ("task.path=" + "x" * 5000, "there is no file or folder"),
        ("phases.first.student.smoothing=1e400", "should be a finite number"),
        ("matrix.seed=3", "matrix.seed: this should be a list, [a, b] (given: 3)"),
        ("matrix.seed=[1, 1]", "a value stands twice on this axis"),
        ("matrix.schema=[1, 2]", "'schema' cannot be varied"),
        ("description=\x1b[31mred", "U+001B is not allowed in YAML"),
    ],
)
def test_options_that_make_no_sense(fails: Fails, toy_recipe: Path, option: str, says: str) -> None:
    shown = fails("plan", toy_recipe, "--set", option)
    assert says in shown and "--set" in shown
    assert "\x1b" not in shown


def test_all_faulty_options_are_named_at_once(fails: Fails, toy_recipe: Path) -> None:
    shown = fails("validate", toy_recipe, "--set", "sed=3", "--set", "x", "--set", "nam=y")
    assert all(word in shown for word in ("'sed'", "'x'", "'nam'"))


def test_every_problem_of_a_recipe_is_reported_at_once(fails: Fails, toy_recipe: Path) -> None:
    text = toy_recipe.read_text()
    for good, bad in (
        ("schema: 1", "schema: 2"),
        ("letters: 1", "letters: one"),
        ("label: opinion", "lable: opinion"),
        ("test: 200", "test: many"),
        ("train_on: weak_train", "train_on: weak_trian"),
        ("use: toy_student, model: strong", "use: toy_student"),
        ("[accuracy, pgr]", "[accuracy, prg]"),
    ):
        assert good in text
        text = text.replace(good, bad)
    toy_recipe.write_text(text)
    shown = fails("validate", toy_recipe)
    for line, says in (
        (1, "schema: input should be 1 (given: 2)"),
        (4, "models.weak.letters: input should be a valid integer"),
        (11, "task.lable: unknown key 'lable'; did you mean 'label'?"),
        (12, "task.splits.test: a split's size is a number of rows above 0, or all"),
        (18, "phases.first.student.model: the key 'model' is missing"),
        (19, "there is no evaluator called 'prg'; did you mean 'pgr'?"),
    ):
        assert f"toy.yaml:{line}: " in shown and says in shown
    problems = shown.count("toy.yaml:")
    assert shown.count("  next: ") == shown.count(" | ") == problems == 6
    # Names across blocks are checked once every block is right on its own.
    for good, bad in (
        ("schema: 2", "schema: 1"), ("letters: one", "letters: 1"), ("lable", "label"),
        ("test: many", "test: 200"), ("use: toy_student", "use: toy_student, model: strnog"),
        ("prg", "pgr"),
    ):  # fmt: skip
        text = text.replace(good, bad)
    toy_recipe.write_text(text)
    shown = fails("validate", toy_recipe)
    assert "has no split 'weak_trian'; did you mean 'weak_train'?" in shown
    assert "models: has no entry 'strnog'; did you mean 'strong'?" in shown


def test_a_known_key_of_the_other_choice_is_not_suggested(fails: Fails, toy_recipe: Path) -> None:
    loss = (
        "phases.first.student={use: classifier, model: strong, loss: {use: xent, alpha_max: 0.1}}"
    )
    shown = fails("validate", toy_recipe, "--set", loss)
    assert "unknown key 'alpha_max'\n" in shown and "known here: none" in shown
