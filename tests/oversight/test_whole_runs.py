"""Recipes with oversight from the command line: transcripts, measures, audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forked import Forks

from w2s_oversight import audit
from w2s_toolkit import load_run
from w2s_toolkit.recipe.load import find_recipe, load_recipe
from w2s_toolkit.registry import Registry

RECIPE = """\
schema: 1
name: talks
models:
  weak: {use: lab, id: lab-xs, dtype: float32}
  strong: {use: lab, id: lab-s, dtype: float32}
task:
  use: lab_claims
  rows: 400
  splits: {weak_train: 30, pool: 8, val: 20, test: 20}
phases:
  - name: heard
    pool: pool
    oversight: [{use: debate, debater: strong, turns: sequential, max_tokens: 6}]
    supervisors: [{use: judge, model: weak}]
    student: null
    evaluate: [accuracy, oversight]
  - name: read
    pool: pool
    oversight: [{use: debate, debater: strong, turns: sequential, max_tokens: 6}]
    supervisors: [{use: finetuned, model: weak, choose_on: null, epochs: 1, pooling: mean}]
    student: null
    evaluate: [{use: oversight, roles: [supervisor]}]
"""


@pytest.fixture
def forks(torch_forks: Forks) -> Forks:
    return torch_forks


@pytest.mark.slow(seconds=17)
def test_a_debate_from_recipe_to_terminal(
    w2s: Callable[..., Any], tmp_path: Path, fails: Callable[..., str]
) -> None:
    (tmp_path / "talks.yaml").write_text(RECIPE)
    done = w2s("run", "talks.yaml", "--threads", "1", "-q")
    assert done.returncode == 0, done.stderr
    run = load_run("last")
    found = run.results[run.results["split"] == "test"].set_index(["phase", "role", "metric"])[
        "value"
    ]

    found = found.sort_index()
    heard = found["heard", "supervisor"]
    assert heard["unscored"] == 0 and 0 <= heard["first_listed"] <= 1
    # A judge's mean over two orders: the two accuracies and the flips bound one another.
    gap = abs(heard["accuracy_order_1"] - heard["accuracy_order_2"])
    assert gap <= heard["flip_rate"] + 1e-9
    verdicts = [
        json.loads(line)
        for line in (run.stage("heard/supervisor/label/test") / "verdicts.jsonl")
        .read_text()
        .splitlines()
    ][1:]
    assert heard["flip_rate"] == pytest.approx(sum(v["flipped"] for v in verdicts) / 20)
    turns = [
        json.loads(line)
        for line in (run.stage("heard/oversight/0/debate/test") / "transcripts.jsonl")
        .read_text()
        .splitlines()
    ][1:]
    assert len(turns) == 20 * 2 * 2
    spent = sum(sum(t["usage"].values()) for t in turns)
    judging = sum(sum(v["usage"].values()) for v in verdicts)
    assert heard["tokens_per_row"] == pytest.approx((spent + judging) / 20)
    assert found["read", "supervisor", "tokens_per_row"] == pytest.approx(spent / 20)

    gold = run.predictions("supervisor", "test", phase="heard").set_index("id")["gold"]
    difference = sum(2 * v["p"][gold[v["example_id"]]] - 1 for v in verdicts) / 20
    assert heard["agent_score_difference"] == pytest.approx(difference)
    table = run.table("wins", phase="heard", role="supervisor", split="test")
    wins = {(row["by"], row["name"]): row["won"] for _, row in table.iterrows()}
    right = sum(v["label"] == gold[v["example_id"]] for v in verdicts) / 20
    assert wins["truth", "right"] == pytest.approx(right)
    assert wins["truth", "wrong"] == pytest.approx(1 - right)

    listed = w2s("transcripts", "ls", "last").stdout
    assert "heard/supervisor/label/test" in listed and "debate" in listed
    wrong = [v for v in verdicts if v["label"] != gold[v["example_id"]]]
    shown = w2s(
        "transcripts",
        "show",
        "last",
        "--stage",
        "supervisor/label/test",
        "--only",
        "wrong",
        "--limit",
        "99",
    )
    assert shown.stdout.count(", wrong") == len(wrong) > 0
    assert shown.stdout.count("order 1") == len(wrong) == shown.stdout.count("order 2")
    one = verdicts[3]["example_id"]
    alone = w2s("transcripts", "show", "last", one[:9], "--stage", "supervisor/label/test").stdout
    assert alone.count("verdict: ") == 1 and one in alone and "by likelihood" in alone
    assert "no row begins with" in fails(
        "transcripts", "show", "last", "zzzz", "--runs", tmp_path / "runs"
    )
    assert "no stage with transcripts" in fails(
        "transcripts", "show", "last", "--stage", "zzzz", "--runs", tmp_path / "runs"
    )

    done = w2s("oversight", "audit", "talks.yaml", "--rows", "20", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["judge"], told["critic"], told["rows"]) == ("weak", "strong", 20)
    auroc = told["measures"]["auroc"]
    assert auroc["difference"]["value"] == pytest.approx(
        auroc["critic"]["value"] - auroc["judge"]["value"]
    )
    assert told["answer"].startswith(("yes", "no", "not"))
    assert told["asked"] == {"prompt": "direct"}


def _asked(recipe: str) -> dict[str, Any]:
    registry = Registry()
    given = load_recipe(find_recipe(recipe, registry), registry)
    phase, protocol = audit._audited(given)
    critic = next(str(v) for f in audit.CRITICS if (v := getattr(protocol.config, f, None)))
    return audit._direct(given, phase, protocol, critic)


def test_an_audit_asks_the_critic_in_words_that_it_knows(tmp_path: Path) -> None:
    own = _asked("oversight_comparison")  # whose first cell has nobody who speaks
    assert Path(own["prompts"]).name == "direct" and own["prompt"] == "judge", (
        "as the recipe's own assistant_direct asks it"
    )
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "direct.txt").write_text("{text} {passage}")
    debate = "debater: strong, prompts: mine, passage: passage, answers: {'no': Nay., 'yes': Yea.}"
    text = RECIPE.replace("debater: strong", debate)
    (tmp_path / "talks.yaml").write_text(text)
    asked = _asked(str(tmp_path / "talks.yaml"))
    assert asked["prompt"] == "direct" and Path(asked["prompts"]) == tmp_path / "mine"
    assert (asked["passage"], asked["answers"]["yes"]) == ("passage", "Yea.")
    (tmp_path / "mine" / "direct.txt").rename(tmp_path / "mine" / "opening.txt")
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "judge.txt").write_text("{text}")
    text = text.replace("use: judge, model", "use: judge, prompts: words, model")
    (tmp_path / "talks.yaml").write_text(text)
    asked = _asked(str(tmp_path / "talks.yaml"))
    assert Path(asked["prompts"]).name == "words" and "prompt" not in asked, "as the judge is asked"


def test_an_audit_needs_somebody_to_audit(toy_recipe: Path, fails: Callable[..., str]) -> None:
    assert "no phase has an oversight protocol" in fails("oversight", "audit", toy_recipe)


def test_runs_without_transcripts_say_so(w2s: Callable[..., Any], toy_recipe: Path) -> None:
    assert w2s("run", toy_recipe, "-q").returncode == 0
    told = w2s("transcripts", "ls", "last")
    assert told.returncode == 2 and "the run has no transcripts" in told.stderr
