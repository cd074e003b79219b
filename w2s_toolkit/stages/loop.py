"""The stages of repeated phases that the core runs itself: parts of splits, and decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s_toolkit.data import Dataset, LabelSet
from w2s_toolkit.errors import DataError
from w2s_toolkit.groups import group_codes
from w2s_toolkit.promotion import Test, Values, above_chance, mean_interval, not_worse, within
from w2s_toolkit.stages import rows

if TYPE_CHECKING:
    from w2s_toolkit.stages.work import Work

DECISION, METRICS = "decision.json", "metrics.json"


def run_part(work: Work) -> None:
    """Cut a part out of a split; no other part shares a group with it."""
    args = work.job.args
    part = rows.draw_part(
        work.dataset("data"), args["draw"], balance=args["balance"], rest=args["rest"]
    )
    work.context.count("rows", len(part))
    part.write(work.out / rows.DATA)


def run_decide(work: Work) -> None:
    """Decide whether a round's student is promoted, or whether the first supervisor is good enough."""
    rule, inputs = work.job.args, work.job.inputs
    decision: dict[str, Any] = {
        "round": rule["round"],
        "promoted": rule["round"] > 0,
        "reason": "",
        "stop": "",
        "tests": [],
        "accuracy": {},
        "metrics": {},
    }
    if "data" in inputs:
        _compare(work, rule, decision)
    if not rule["round"] and decision["reason"] and rule["enforce"]:
        decision["stop"] = f"the first supervisor labels nothing: {decision['reason']}"
    patience = rule["patience"]
    if patience and rule["round"] and not decision["promoted"] and rule["rejected"] + 1 >= patience:
        decision["stop"] = f"{patience} students in a row were not promoted"
    (work.out / DECISION).write_text(json.dumps(decision, sort_keys=True, indent=1))


def _compare(work: Work, rule: Mapping[str, Any], decision: dict[str, Any]) -> None:
    data = work.dataset("data")
    if not len(data):
        raise DataError("there are no rows to test a promotion on", where=work.job.label)
    work.remember_gold(len(data))
    right = {
        slot: _right(work.labels(slot), data)
        for slot in ("student", "supervisor", "best")
        if slot in work.job.inputs
    }
    groups, classes = group_codes(data), _classes(data)
    for slot, values in right.items():
        decision["accuracy"][slot] = float(values.mean())
    decision["rows"] = len(data)
    decision["metrics"] = _metrics(work)
    judged = "student" if "student" in right else "supervisor"
    tests = [above_chance(right[judged], groups, classes, rule, f"accuracy of the {judged}")]
    if judged == "student":
        others = {"supervisor": "its supervisor", "best": "the best so far"}
        tests += [
            not_worse(right["student"], right[slot], groups, rule, f"accuracy minus that of {name}")
            for slot, name in others.items()
            if slot in right
        ]
        tests += [_bound(decision["metrics"], name, b, work) for name, b in rule["bounds"].items()]
        _warn_if_blunt(work, right, groups, rule)
    failed = [test for test in tests if not test.passed]
    decision["tests"] = [test.to_json() for test in tests]
    decision["reason"] = "; ".join(map(str, failed))
    decision["promoted"] = judged == "student" and (not failed or not rule["enforce"])


def _right(labels: LabelSet, data: Dataset) -> Values:
    """(n,) 1 where the answer is the gold one; no answer is a wrong one."""
    labels = labels.align(data)
    if data.info.kind == "generation":
        gold, said = ([_plain(t) for t in texts] for texts in (data.gold_texts, labels.texts or ()))
        right = np.array([a == b for a, b in zip(said, gold, strict=True)], dtype=np.bool_)
    else:
        right = labels.predicted == data.gold
    return np.asarray(right & ~labels.abstain, dtype=np.float64)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _classes(data: Dataset) -> int:
    return 0 if data.info.kind == "generation" else data.num_classes


def _metrics(work: Work) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for slot in work.job.inputs:
        if slot.startswith("metrics:"):
            values = json.loads((work.folder(slot) / METRICS).read_text())["values"]
            found |= {name: metric["value"] for name, metric in values.items()}
    return found


def _bound(
    metrics: Mapping[str, float | None], name: str, bound: Mapping[str, float | None], work: Work
) -> Test:
    if name not in metrics:
        raise DataError(
            f"there is no metric {name!r} that bounds could be tested on",
            where=work.job.label,
            next_step=f"there are: {', '.join(sorted(metrics)) or 'none'}; correct the name, or add the "
            "evaluator that gives it, with on: the split of promote",
        )
    return within(name, metrics[name], bound)


def _warn_if_blunt(
    work: Work, right: Mapping[str, Values], groups: Any, rule: Mapping[str, Any]
) -> None:
    """Remark on tests in which even an equally good student would mostly fail."""
    if "supervisor" not in right:
        return
    found = mean_interval(right["student"] - right["supervisor"], groups, rule["confidence"])
    if found.value - found.low > 2 * rule["delta"] > 0:
        work.context.warn(
            "blunt_promotion_test",
            f"differences in accuracy are known to ±{found.value - found.low:.3f} on {len(groups)} rows, "
            f"so that a student as good as its supervisor is mostly not promoted with delta "
            f"{rule['delta']:g}; more rows to test on, or a larger delta, would mend that",
        )
