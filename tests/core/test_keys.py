"""Keys: everything that can change a result changes them, and nothing else does."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from w2s_toolkit.config import ComponentConfig, ModelConfig, field_marker
from w2s_toolkit.digest import Digests, canonical
from w2s_toolkit.errors import W2SError
from w2s_toolkit.plan.planner import make_plan
from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.registry import Registered, Registry

REGISTRY = Registry()


def _keys(path: Path, *overrides: str) -> set[str]:
    return set(make_plan(load_recipe(path, REGISTRY, overrides), Digests()).graph.stages)


# --- fields of every component ---------------------------------------------------------------


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two folders with different content that can stand for any data or model."""
    made = []
    for name in ("one", "two"):
        folder = tmp_path_factory.mktemp(name)
        (folder / "config.json").write_text(json.dumps({"model_type": "llama", "name": name}))
        (folder / "model.safetensors").write_text(name)
        (folder / "tokenizer.json").write_text(name)
        for split in ("train", "validation", "test"):
            (folder / f"{split}.jsonl").write_text(json.dumps({"text": name, "label": 0}) + "\n")
        made.append(str(folder))
    return made[0], made[1]


def _base(row: Registered, folders: tuple[str, str]) -> dict[str, Any]:
    """Values for the required fields of a component, and a path instead of the network."""
    model = REGISTRY.config_model(row.component)
    values: dict[str, Any] = {}
    if "path" in model.model_fields:
        single = row.kind == "supervisors"
        values["path"] = f"{folders[0]}/train.jsonl" if single else folders[0]
    if "prompts" in model.model_fields:
        values["prompts"] = folders[0]
    if row.kind == "models" and "id" in model.model_fields:
        named = get_args(model.model_fields["id"].annotation)  # models that a plugin carries
        values["id"] = named[0] if named and isinstance(named[0], str) else folders[0]
    if "dtype" in model.model_fields:
        values["dtype"] = "float32"  # what auto stands for depends on the device
    samples: dict[str, Any] = {"model": "weak", "template": "{text}", "label": "label"}
    samples |= {"choices": ["a", "b"], "rate": 0.3}
    samples |= dict.fromkeys(("assistant", "advisor", "critic", "debater"), "weak")
    for name, field in model.model_fields.items():
        if field.is_required() and name not in values:
            values[name] = samples[name]
    return values


def _others(annotation: Any, value: Any) -> Iterator[Any]:
    """Other values a field might take; those that do not validate are skipped by the caller."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        for inner in get_args(annotation):
            yield from _others(inner, value)
    elif origin is Literal:
        yield from (v for v in get_args(annotation) if v != value)
    elif hasattr(annotation, "__metadata__"):
        yield from _others(get_args(annotation)[0], value)
    elif annotation is bool:
        yield not value
    elif annotation is int:
        yield from ((value or 0) + 1, 96)
    elif annotation is float:
        yield value / 2 if value else 0.125
    elif annotation is str:
        yield from ("other", "{label}", "a", "label")
    elif annotation is type(None):
        if value is not None:
            yield None
    elif origin is dict:
        yield from ({"*": "train"}, {"test": "train"}, {"0": "a"})
    elif origin in (tuple, list):
        yield from (["x", "y"], ["p0", "p1"], ["label"], ["student"])
        yield from ([other] for other in _others(get_args(annotation)[0], None))
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        word = annotation.model_fields.get("use")
        needed = {n: f for n, f in annotation.model_fields.items() if f.is_required()}
        least = {n: next(_others(f.annotation, None)) for n, f in needed.items()}
        yield {"use": word.default} if word else least


def _identity(config: ComponentConfig) -> str:
    digests = Digests()
    parts: list[Any] = [config.key_parts(digests)]
    if isinstance(config, ModelConfig):
        parts += [config.fingerprint(digests), config.resolved()]
    return canonical(parts)


def _nested(config: BaseModel, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in type(config).model_fields:
        value = getattr(config, name)
        yield (*at, name), (type(config), name, value)
        if isinstance(value, BaseModel):
            yield from _nested(value, (*at, name))


ROWS = [r for r in REGISTRY.components() if r.kind != "executors"]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.kind}/{r.component.name}")
def test_every_field_changes_the_key_or_is_declared_neutral(
    row: Registered, folders: tuple[str, str]
) -> None:
    model = REGISTRY.config_model(row.component)
    base = _base(row, folders)
    config = model.model_validate(base)
    before = _identity(config)
    unchanged = []
    for location, (owner, name, value) in list(_nested(config)):
        if name == "use" or (location[-1] in ("id", "path", "revision") and value is None):
            continue
        marker = field_marker(owner, name)
        candidates = list(_others(owner.model_fields[name].annotation, value))
        if marker in ("path", "path_or_id"):
            candidates = [str(base[location[0]]).replace(folders[0], folders[1])]
        changed = [c for c in (_with(model, base, location, v) for v in candidates) if c]
        differing = [c for c in changed if c.model_dump() != config.model_dump()]
        assert differing, f"no other value found for {'.'.join(location)}"
        moved = [_identity(c) != before for c in differing]
        if marker in ("neutral", "model"):
            assert not any(moved), f"{'.'.join(location)} is neutral but changes the key"
        elif not any(moved):
            unchanged.append(".".join(location))
    assert not unchanged


def _with(
    model: type[ComponentConfig], base: dict[str, Any], location: tuple[str, ...], value: Any
) -> ComponentConfig | None:
    values = json.loads(json.dumps(base))
    node = values
    default = model.model_validate(base)
    for step in location[:-1]:
        default = getattr(default, step)
        node = node.setdefault(step, {"use": default.use} if hasattr(default, "use") else {})
    node[location[-1]] = value
    try:
        changed = model.model_validate(values)
        _identity(changed)
    except (ValidationError, W2SError):
        return None
    return changed


def test_nested_neutral_and_path_fields_are_found() -> None:
    from typing import Annotated

    from w2s_toolkit.config import NEUTRAL, InputPath

    class Inner(BaseModel):
        file: InputPath
        speed: Annotated[int, NEUTRAL] = 1
        depth: int = 1

    class Outer(ComponentConfig):
        inner: Inner
        files: dict[str, InputPath] | None = None

    config = Outer(inner=Inner(file="/a"), files={"x": "/b"})
    parts = config.key_parts(lambda path: f"content of {path}")
    expected = {"inner": {"file": "content of /a", "depth": 1}, "files": {"x": "content of /b"}}
    assert parts == expected
    assert [u.location for u in config.uses("path")] == [("inner", "file"), ("files", "x")]


# --- whole recipes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "override",
    [
        "name=other",
        "description=words",
        "phases.first.name=second",
        "phases.first.student.sleep=0.5",
        "phases.first.supervisors.toy_bayes.sleep=0.5",
        "task.split_seed=0",
        "phases.first.allow_overlap=true",
    ],
)
def test_names_and_neutral_fields_change_no_key(toy_recipe: Path, override: str) -> None:
    assert _keys(toy_recipe, override) == _keys(toy_recipe)


def test_comments_and_renamed_models_change_no_key(toy_recipe: Path) -> None:
    before = _keys(toy_recipe)
    text = toy_recipe.read_text().replace("weak:", "small:").replace("model: weak", "model: small")
    toy_recipe.write_text("# a comment\n" + text)
    assert _keys(toy_recipe) == before


@pytest.mark.parametrize(
    ("override", "untouched"),
    [
        ("seed=1", {"data", "split/test", "split/val"}),
        ("task.split_seed=1", {"data"}),
        ("task.train_split_seed=7", {"data", "split/test", "split/val"}),
        ("task.balance=false", {"data"}),
        ("task.splits.pool=100", {"data", "split/test", "split/val", "split/weak_train"}),
        ("models.weak.letters=2", {"data", "split/test", "first/strong_ceiling/train"}),
        ("phases.first.student.sharpen=true", {"first/strong_ceiling/train", "split/pool"}),
        ("phases.first.student.smoothing=2", {"first/supervisor/fit"}),
        ("phases.first.evaluate.pgr.replicates=500", {"first/student/train"}),
    ],
)
def test_settings_change_what_depends_on_them(
    toy_recipe: Path, override: str, untouched: set[str]
) -> None:
    def by_name(*overrides: str) -> dict[str, str]:
        loaded = load_recipe(toy_recipe, REGISTRY, overrides)
        return {s.name: s.key for s in make_plan(loaded, Digests()).graph}

    before, after = by_name(), by_name(override)
    same = {n for n in before if before[n] == after.get(n)}
    assert same != set(before), "something must change"
    assert untouched <= same


def test_moving_the_data_changes_nothing_and_one_byte_changes_all(
    toy_recipe: Path, tmp_path: Path
) -> None:
    before = _keys(toy_recipe)
    rows = tmp_path / "rows.jsonl"
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes(rows.read_bytes())
    assert _keys(toy_recipe, f"task.path={moved}") == before
    text = rows.read_text()
    rows.write_text(text.replace("The", "Thx", 1))
    assert not _keys(toy_recipe) & before


def test_a_student_and_its_ceiling_share_a_seed_and_methods_share_the_ceiling(
    toy_recipe: Path,
) -> None:
    loaded = load_recipe(
        toy_recipe, REGISTRY, ["matrix.phases.first.student.sharpen=[false, true]"]
    )
    stages = list(make_plan(loaded, Digests()).graph)
    students = [s for s in stages if s.name == "first/student/train"]
    ceilings = [s for s in stages if s.name == "first/strong_ceiling/train"]
    assert len(students) == 2 and len(ceilings) == 1
    assert {s.seed for s in students} == {ceilings[0].seed}
    assert ceilings[0].cells == {0, 1}


def test_seeds_differ_between_stage_kinds_and_recipe_seeds(toy_recipe: Path) -> None:
    loaded = load_recipe(toy_recipe, REGISTRY, ["matrix.seed=[0, 1]"])
    seeds = {s.id: s.seed for s in make_plan(loaded, Digests()).graph if s.seed}
    trained = {i: s for i, s in seeds.items() if "ceiling" not in i}
    assert len(set(trained.values())) == len(trained) == 4
