"""Loading: overrides, matrix, paths, and all problems at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from w2s_toolkit.errors import RecipeError
from w2s_toolkit.recipe.load import load_recipe
from w2s_toolkit.recipe.overrides import apply_overrides
from w2s_toolkit.registry import Registry


def _load(path: Path, *overrides: str) -> Any:
    return load_recipe(path, Registry(), overrides)


def _problems(path: Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        _load(path, *overrides)
    return str(caught.value)


def test_all_problems_are_reported_at_once_with_line_snippet_and_suggestion(
    toy_recipe: Path,
) -> None:
    text = toy_recipe.read_text()
    text = text.replace("use: toy, letters: 1", "use: toi, letters: 1")
    text = text.replace("model: strong", "model: strnog, epochs: 3")
    text = text.replace("[accuracy, pgr]", "[acuracy]")
    text = text.replace("pool: 200", "pool: -2")
    toy_recipe.write_text(text)
    shown = _problems(toy_recipe)
    assert f"{toy_recipe}:4: models.weak.use: there is no model called 'toi'; did you mean" in shown
    assert "4 |   weak: {use: toi, letters: 1}" in shown
    assert ":12: task.splits.pool: a split's size is a number of rows above 0, or all" in shown
    assert "phases.first.student.epochs: unknown key 'epochs'" in shown
    assert "there is no evaluator called 'acuracy'; did you mean 'accuracy'" in shown


def test_cross_references_are_checked(toy_recipe: Path) -> None:
    assert "models: has no entry 'strnog'; did you mean 'strong'?" in _problems(
        toy_recipe, "phases.first.student.model=strnog"
    )
    assert "task.splits has no split 'poool'" in _problems(toy_recipe, "phases.first.pool=poool")
    assert "task.splits has no split 'missing'" in _problems(
        toy_recipe, "phases.first.supervisors.toy_bayes.train_on=missing"
    )


def test_a_teacher_never_labels_its_own_training_data_unasked(toy_recipe: Path) -> None:
    overlap = "phases.first.supervisors.toy_bayes.train_on=pool"
    assert "would label 'pool', on which it was trained" in _problems(toy_recipe, overlap)
    assert _load(toy_recipe, overlap, "phases.first.allow_overlap=true")


@pytest.mark.parametrize(
    "change",
    [
        "phases.first.supervisors.toy_bayes.choose_on=pool",
        "phases.first.ensemble={use: toy_bag, choose_on: pool}",
    ],
)
def test_a_teacher_is_not_chosen_by_gold_of_what_it_labels(toy_recipe: Path, change: str) -> None:
    assert "would label 'pool', by whose gold labels it was chosen" in _problems(toy_recipe, change)
    assert _load(toy_recipe, change, "phases.first.allow_overlap=true")


def test_an_ensemble_does_not_choose_on_what_its_members_know(toy_recipe: Path) -> None:
    for use in ("bagging, combine: stacking", "bagging, size: val", "adaboost, stop: val"):
        change = f"phases.first.ensemble={{use: {use}, choose_on: weak_train}}"
        shown = _problems(toy_recipe, change)
        assert "would choose on 'weak_train', on which its members are trained" in shown
    assert _load(toy_recipe, "phases.first.ensemble={use: bagging, choose_on: weak_train}")


@pytest.mark.parametrize("split", ["pool", "weak_train"])
def test_measuring_on_training_data_is_refused(toy_recipe: Path, split: str) -> None:
    shown = _problems(toy_recipe, f"phases.first.evaluate.accuracy={{use: accuracy, on: {split}}}")
    assert f"would be measured on '{split}'" in shown


def test_measuring_on_the_choosing_split_is_refused(toy_recipe: Path) -> None:
    shown = _problems(toy_recipe, "phases.first.supervisors.toy_bayes.choose_on=test")
    assert "it chooses the supervisor's checkpoint" in shown


def test_a_refiner_is_fitted_on_neither_training_data_nor_what_is_measured_on(
    toy_recipe: Path,
) -> None:
    refine = "phases.first.refine=[{{use: calibrate, on: {}}}]"
    shown = _problems(toy_recipe, refine.format("test"))
    assert "would be measured on 'test', but 'calibrate' is fitted on it" in shown
    shown = _problems(toy_recipe, refine.format("weak_train"))
    assert "would be fitted on 'weak_train', on which the supervisor was trained" in shown
    assert _load(toy_recipe, refine.format("val"))


def test_capabilities_are_checked_before_anything_runs(toy_recipe: Path) -> None:
    shown = _problems(toy_recipe, "models.strong.can=[generate]")
    assert "needs a model that can train; models.strong (toy) cannot" in shown


def test_overrides_address_list_items_by_name_use_or_number(toy_recipe: Path) -> None:
    for address in ("phases.first.supervisors.toy_bayes", "phases.0.supervisors.0"):
        loaded = _load(toy_recipe, f"{address}.smoothing=2.5")
        supervisor = loaded.cells[0].phases[0].supervisor.config
        assert supervisor.smoothing == 2.5
        assert supervisor.train_on == "weak_train", "siblings must stay"


def test_overrides_refuse_unknown_places_with_a_suggestion(toy_recipe: Path) -> None:
    assert "did you mean 'first'" in _problems(toy_recipe, "phases.frist.pool=pool")
    assert "did you mean 'models'" in _problems(toy_recipe, "model.weak.letters=2")
    assert "did you mean 'letters'" in _problems(toy_recipe, "models.weak.leters=2")
    assert "did you mean 'weak'" in _problems(toy_recipe, "models.waek.letters=2")
    assert "has nothing inside" in _problems(toy_recipe, "name.x=2")
    assert "not of the form path=value" in _problems(toy_recipe, "nonsense")
    shown = _problems(toy_recipe, "models.weak.letters=[]")
    assert "--set models.weak.letters=[]" in shown, "the message points at the command line"


def test_overrides_win_over_the_matrix_and_lists_of_seeds_make_one() -> None:
    document = {"seed": 0, "matrix": {"seed": [0, 1], "models.a.x": [1]}, "models": {"a": {}}}
    changed, _ = apply_overrides(document, ["seed=5"])
    assert changed["seed"] == 5 and "seed" not in changed["matrix"]
    changed, _ = apply_overrides(document, ["seed=[3, 4]"])
    assert changed["matrix"]["seed"] == [3, 4]
    changed, _ = apply_overrides(document, ["models.a={y: 1}"])
    assert list(changed["matrix"]) == ["seed"]
    assert document["matrix"]["seed"] == [0, 1], "the original is untouched"


def test_a_word_may_stand_for_a_block_and_be_refined(toy_recipe: Path) -> None:
    loaded = _load(toy_recipe, "phases.first.evaluate.pgr.replicates=500")
    assert loaded.cells[0].phases[0].evaluate[1].config.replicates == 500


def test_the_matrix_unfolds_in_order(toy_recipe: Path) -> None:
    loaded = _load(
        toy_recipe, "matrix.seed=[0, 1]", "matrix.phases.first.student.sharpen=[false, true]"
    )
    axes = [tuple(c.axes.values()) for c in loaded.cells]
    assert axes == [(0, False), (0, True), (1, False), (1, True)]
    assert [c.seed for c in loaded.cells] == [0, 0, 1, 1]


def test_faults_of_the_matrix_point_at_it(toy_recipe: Path) -> None:
    assert "there is no 'nothing'" in _problems(toy_recipe, "matrix.nothing.x=[1]")
    assert "stands twice" in _problems(toy_recipe, "matrix.seed=[1, 1]")
    assert "matrix" in _problems(toy_recipe, "matrix.models.weak.letters=[1, x]")
    toy_recipe.write_text(toy_recipe.read_text() + "matrix: {seed: 3}\n")
    assert "matrix.seed" in _problems(toy_recipe)


def test_paths_are_relative_to_the_recipe_then_to_the_current_folder(
    toy_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = str((tmp_path / "rows.jsonl").resolve())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert _load(toy_recipe).cells[0].task.config.path == expected
    (elsewhere / "mine.jsonl").write_text((tmp_path / "rows.jsonl").read_text())
    own = _load(toy_recipe, "task.path=mine.jsonl").cells[0].task.config.path
    assert own == str((elsewhere / "mine.jsonl").resolve())
    shown = _problems(toy_recipe, "task.path=nowhere.jsonl")
    assert "there is no file or folder 'nowhere.jsonl'" in shown


@pytest.mark.parametrize(
    "name", [r.name for r in Registry().recipes() if r.name != "imported_labels"]
)
def test_shipped_recipes_are_valid(name: str) -> None:
    recipe = Registry().recipe(name)
    assert recipe is not None and recipe.summary
    assert load_recipe(Path(recipe.path), Registry()).cells


def test_the_json_schema_accepts_shipped_recipes_and_refuses_unknown_keys() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from w2s_toolkit.recipe.jsonschema import recipe_schema
    from w2s_toolkit.recipe.tree import read_tree

    schema = recipe_schema(Registry())
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    holds = validator(schema)
    for recipe in Registry().recipes():
        document = read_tree(Path(recipe.path)).value
        holds.validate(document)
        document["phases"][0]["supervisors"][0]["epoch"] = 3
        assert not holds.is_valid(document)
