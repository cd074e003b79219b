"""Every contract is broken by some component here, and found out with a message that helps."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from w2s_toolkit import testing
from w2s_toolkit.testing import (
    EnsemblerContract,
    EvaluatorContract,
    ExecutorContract,
    ModelContract,
    OversightContract,
    RefinerContract,
    StudentContract,
    SupervisorContract,
    TaskContract,
    tiny_dataset,
)

HERE = Path(__file__).parent
MODEL = {"model": "m"}
MODELS = {"m": {"use": "standin_model"}}


@pytest.fixture(scope="module", autouse=True)
def _broken_plugin() -> Iterator[None]:
    """The broken plugin is there for this module alone."""
    sys.path.insert(0, str(HERE / "broken_plugin"))
    yield
    sys.path.remove(str(HERE / "broken_plugin"))


# --- these break nothing: what fails below fails for its own reason ------------------------------


class TestFine(SupervisorContract):
    use = "broken_Fine"
    config = MODEL
    models = MODELS
    fixed = {"choose_on": "", "train_on": "it trains nothing"}


class TestFitted(SupervisorContract):
    use = "broken_Fitted"


class TestPasting(EnsemblerContract):
    use = "broken_Pasting"


# --- these do ------------------------------------------------------------------------------------


class Broken(NamedTuple):
    contract: Any
    use: str
    test: str
    said: str
    more: Mapping[str, Any] = {}


class Moved(SupervisorContract):
    def make_config(self, folder: Path) -> Mapping[str, Any]:
        (folder / "words.txt").write_text("words")
        return {"path": str(folder / "words.txt")}


class Silent(SupervisorContract):
    def unanswerable(self) -> Any:
        return tiny_dataset(12, classes=4)


class TaskWithFile(TaskContract):
    def make_config(self, folder: Path) -> Mapping[str, Any]:
        (folder / "rows.txt").write_text("rows")
        return {"path": str(folder / "rows.txt")}


class NamedModel(ModelContract):
    def make_config(self, folder: Path) -> Mapping[str, Any]:
        (folder / "model").mkdir(exist_ok=True)
        (folder / "model" / "weights.txt").write_text("weights")
        return {"id": str(folder / "model")}


S, F = SupervisorContract, "test_a_killed_stage_run_again_gives_the_same_files"
KEYS = "test_every_field_changes_the_key_unless_neutral"
GLOBAL = "test_global_random_numbers_are_left_alone"
USAGE = "test_usage_adds_up"
PROBS = "test_labels_are_probabilities"
ORDER = "test_order_of_rows_does_not_matter"
ELSEWHERE = "test_another_process_gives_the_same_files"
STRICT = "test_config_model_is_strict"
BATCH = {"config": {"batch": 8}, "other_values": {"batch": 1}}

CASES = [
    Broken(S, "no_such_name", "test_is_registered", "there is no supervisor called"),
    Broken(S, "NoMethod", "test_target_satisfies_the_protocol", "NoMethod has no label"),
    Broken(S, "Lax", STRICT, "inner.no_such_key_at_all is accepted"),
    Broken(S, "Fine", STRICT, "the config of the test class is valid", {"config": {"strenth": 1}}),
    Broken(S, "Forgetful", KEYS, "leaves the key as it is: train_on, choose_on, strength"),
    Broken(S, "Stuck", KEYS, r"other_values = \{'code': ...\}"),
    Broken(S, "FalseNeutral", "test_neutral_settings_change_no_answer", "batch: 1: prob", BATCH),
    Broken(S, "UnstableKey", "test_key_is_the_same_in_another_process", "PYTHONHASHSEED"),
    Broken(Moved, "PathByName", "test_input_files_enter_the_key_by_content", "a copy elsewhere"),
    Broken(S, "BadValidator", "test_mistakes_in_its_config_are_explained", "TypeError"),
    Broken(S, "Accepts", "test_bad_configs_are_refused", "is accepted and runs",
           {"bad_configs": [{"strength": 0.6}]}),
    Broken(S, "Peeks", "test_gold_is_not_looked_at", "data with gold: probabilities of"),
    Broken(S, "NeedsGold", "test_works_without_gold", "gold labels were asked of data that has none"),
    Broken(S, "DropsARow", "test_answers_exactly_the_rows_asked", "1 of 24 rows have none"),
    Broken(S, "AddsARow", "test_answers_exactly_the_rows_asked", "1 answers have no row"),
    Broken(S, "ByPosition", ORDER, "after a permutation of the rows: probabilities"),
    Broken(S, "ByBatch", "test_a_row_alone_gets_the_same_answer", "differ by up to"),
    Broken(S, "FailsOnNothing", "test_empty_data_is_handled", "IndexError"),
    Broken(S, "WritesInputs", "test_inputs_are_left_as_they_are", "the data has changed"),
    Broken(S, "GlobalRandom", GLOBAL, "with other global seeds the label stage writes another"),
    Broken(S, "MovesGlobalRandom", GLOBAL, "moves that of NumPy"),
    Broken(S, "SpinsOnHash", ELSEWHERE, "the label stage wrote other bytes: labels.parquet"),
    Broken(S, "Unseeded", ELSEWHERE, "the label stage wrote other bytes"),
    Broken(S, "NotANumber", "test_works_without_gold", "a label is not a finite number"),
    Broken(S, "Nan", PROBS, "rows hold NaN or infinity"),
    Broken(S, "NotOne", PROBS, "sums off by up to 0.0005"),
    Broken(S, "DoubleCount", USAGE, r"tokens: 144 \+ 144 in halves, 576 at once"),
    Broken(S, "NoCount", USAGE, "counted: nothing", {"config": MODEL, "models": MODELS}),
    Broken(S, "NegativeCount", "test_counters_are_whole_numbers", "'saved': -24"),
    Broken(Silent, "SilentAbstention", "test_rows_without_an_answer_abstain", "labels for 12 rows"),
    Broken(S, "Pickles", "test_nothing_pickled_is_written", "model/state.bin"),
    Broken(S, "AbsoluteFolder", "test_folder_of_the_reference_exists", "relative to it"),
    Broken(S, "KeepsInMemory", "test_what_was_made_can_be_used_in_another_process", "KeyError"),
    Broken(S, "TrustsScratch", F, r"killed at step \d+ of \d+, the fit stage wrote another"),
    Broken(S, "StepsAtRandom", F, "it ended before step"),
    Broken(StudentContract, "TrainsOnAbstained", "test_rows_left_out_change_nothing",
           "another counts.json", {"config": MODEL, "models": MODELS}),
    Broken(StudentContract, "OtherCeiling", "test_ceiling_is_a_config_of_the_same_kind",
           "model='another'", {"config": MODEL, "models": MODELS}),
    Broken(RefinerContract, "RanksAbstained", "test_rows_without_an_answer_change_nothing_else",
           "abstain of .* rows differs"),
    Broken(RefinerContract, "NoiseByPosition", ORDER, "after a permutation of the rows"),
    Broken(OversightContract, "Rewrites", "test_only_evidence_is_added", "'prompt' differs"),
    Broken(EvaluatorContract, "LastRow", ORDER, "value of 'last'"),
    Broken(EvaluatorContract, "OutOfBounds", "test_values_are_numbers_or_explained", "share = ",
           {"bounds": {"share": (0, 1)}}),
    Broken(EvaluatorContract, "TwoClassesOnly", "test_more_than_two_classes", "too many values"),
    Broken(EvaluatorContract, "ScoresAbstained", "test_rows_that_abstain_are_left_out",
           "value of 'accuracy'"),
    Broken(EvaluatorContract, "NoReason", "test_values_are_numbers_or_explained", "says why"),
    Broken(EvaluatorContract, "Sums", "test_seeds_that_are_alike_change_no_value", "60.0 and 180.0"),
    Broken(EvaluatorContract, "Sums", "test_no_rows_are_explained", "rows has a value"),
    Broken(EvaluatorContract, "TwoClassesOnly", "test_generated_text_is_explained", "ValueError"),
    Broken(TaskContract, "TellsGold", "test_gold_is_not_in_the_text", "all 60 prompts do"),
    Broken(TaskContract, "CutsGroups", "test_splits_share_no_group", "can be drawn for"),
    Broken(TaskContract, "CutsGroups", "test_source_names_are_words", "training"),
    Broken(TaskContract, "NumberedIds", "test_ids_follow_from_content", "such as 'row 0'"),
    Broken(NamedModel, "NamedByPath", "test_identity_is_a_text", "holds the path of the model"),
    Broken(NamedModel, "NamedByPath", "test_capabilities_are_known_words", "telepathy"),
    Broken(NamedModel, "NamedByPath", "test_input_files_enter_the_key_by_content", "elsewhere"),
    Broken(ExecutorContract, "Raises", "test_a_failing_job_is_reported", "RuntimeError"),
    Broken(ExecutorContract, "Reseeds", "test_a_job_leaves_what_it_leaves_in_process", "data.parquet"),
    Broken(EnsemblerContract, "UnseededPasting", "test_the_same_seed_asks_for_the_same_members",
           "differ between two calls"),
    Broken(S, "Fine", "test_a_recipe_with_it_is_valid", "task.splits has no split 'nowhere'",
           {"config": {"train_on": "nowhere"}}),
    Broken(S, "OtherClasses", "test_classes_are_those_of_the_task", "left"),
    Broken(S, "CountsGold", "test_gold_it_reads_is_counted", "48 are counted, 24 were given"),
    Broken(StudentContract, "OtherCeiling", "test_trains_on_gold_as_a_ceiling", "48 for 24 rows",
           {"config": MODEL, "models": MODELS}),
    Broken(RefinerContract, "Careless", "test_gold_it_reads_is_counted", "24 are counted, 0 were"),
    Broken(RefinerContract, "Careless", "test_labels_are_left_as_they_are", "labels have changed"),
    Broken(RefinerContract, "Careless", "test_works_when_every_row_abstains", "ValueError"),
    Broken(EvaluatorContract, "NeedsReference", "test_missing_references_are_explained", "KeyError"),
    Broken(EvaluatorContract, "NeedsReference", "test_inputs_are_left_as_they_are", "have changed"),
    Broken(EvaluatorContract, "Sums", "test_a_seed_without_answers_is_explained", "IndexError"),
    Broken(TaskContract, "NoGold", "test_rows_are_whole", "no gold"),
    Broken(TaskContract, "OneClass", "test_gold_is_spread_over_classes", "none is of class"),
    Broken(TaskWithFile, "PathInMeta", "test_moved_files_give_the_same_rows", "rows.parquet"),
    Broken(ModelContract, "OddChoices", "test_resolved_choices_are_plain_data", "TypeError"),
    Broken(ExecutorContract, "Raises", "test_an_unknown_component_is_a_reported_failure", "Runtime"),
    Broken(ExecutorContract, "Raises", "test_an_input_that_is_gone_is_a_reported_failure", "Runtime"),
    Broken(ExecutorContract, "OneJob", "test_events_are_plain_data", "not JSON serializable"),
    Broken(ExecutorContract, "OneJob", "test_it_can_be_used_again_and_closed_twice", "used up"),
    Broken(ExecutorContract, "OneJob", "test_jobs_side_by_side_are_told_apart", "used up"),
    Broken(EnsemblerContract, "NoMembers", "test_members_are_trained", "0 members"),
    Broken(EnsemblerContract, "OneNumber", "test_members_are_trained", "4 different members have 3"),
    Broken(EnsemblerContract, "NoMembers", "test_reference_is_plain_data", "comes back as"),
    Broken(EnsemblerContract, "SampleBySize", "test_growing_keeps_the_first_members", "3 of 3 members"),
    Broken(EnsemblerContract, "Impatient", "test_it_runs_again_from_its_beginning", "was caught"),
    Broken(EnsemblerContract, "UnseededPasting", "test_it_runs_again_from_its_beginning",
           "still something new"),
    Broken(EnsemblerContract, "NeedsVal", "test_works_without_val_or_explains", "NoneType"),
    Broken(EnsemblerContract, "Moody", "test_every_row_is_labelled_once", "39 labels for 40 rows"),
    Broken(EnsemblerContract, "Moody", "test_labels_are_the_same_when_asked_again", "row"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.use}-{c.test}")
def test_a_broken_component_is_found_out(
    case: Broken, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cls = type(case.use, (case.contract,), {"use": f"broken_{case.use}", **case.more})
    contract = cls()
    bench = contract.shared_bench(tmp_path_factory)
    with pytest.raises(pytest.fail.Exception, match=case.said) as caught:
        getattr(contract, case.test)(bench)
    text = str(caught.value)
    assert text.startswith("contract: ") and "\n  seen: " in text


NOT_HERE = {
    "test_nothing_to_train_on_is_explained",  # a stage of the core looks before the student does
    "test_nothing_heavy_is_imported_before_it_runs",  # test_contracts_cover_all.py, in a process
}


def test_every_contract_is_broken_by_some_component() -> None:
    contracts = [getattr(testing, name) for name in testing.__all__ if name.endswith("Contract")]
    tests = {name for cls in contracts for name in dir(cls) if name.startswith("test_")}
    assert tests - {case.test for case in CASES} == NOT_HERE
