"""Whole runs with a hosted model: budget, kill, secrets, what is shown and written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("tenacity")

from fault_proxy import forms

from w2s_toolkit.testing.reviews import rows

PLUGIN = Path(__file__).parent / "asking_plugin"
CANARY = "sk-canary-Zq81/x+7Lw_0aTn5Vb3KfR9m"

RECIPE = """\
schema: 1
name: asked
models:
  weak: {{use: toy, letters: 1}}
  strong: {{use: toy}}
  helper: {{use: openai, id: lab, base_url: "{url}", max_wait_s: 0.2, {more}}}
task:
  use: table
  path: rows.jsonl
  template: "{{text}}"
  choices: [negative, positive]
  label: opinion
  splits: {{weak_train: 20, pool: 40, test: 12}}
baselines: []
phases:
  - name: first
    pool: pool
    supervisors: [{{use: asking, model: helper}}]
    evaluate: [{{use: accuracy}}]
  - name: second
    pool: pool
    supervisors: [{{use: toy_bayes, model: weak, train_on: weak_train}}]
    evaluate: [{{use: accuracy}}]
{end}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Path]:
    with (tmp_path / "rows.jsonl").open("w") as file:
        for row in rows(seed=1, number=100):
            file.write(json.dumps(row) + "\n")

    def write(url: str, more: str = "max_concurrency: 4", end: str = "") -> Path:
        (tmp_path / "asked.yaml").write_text(RECIPE.format(url=url, more=more, end=end))
        return tmp_path / "asked.yaml"

    return write


@pytest.fixture
def w2s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """The command line with the asking plugin installed, in this process."""
    from w2s_toolkit.cli.main import entry

    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PLUGIN), os.environ["PYTHONPATH"]]))

    def run(*args: object, **environment: str) -> Any:
        capfd.readouterr()
        with monkeypatch.context() as here:
            for name, value in environment.items():
                here.setenv(name, value)
            here.setattr(sys, "argv", ["w2s", *map(str, args)])
            with pytest.raises(SystemExit) as end:
                entry()
        out, err = capfd.readouterr()
        print(out, err)
        return SimpleNamespace(returncode=end.value.code, stdout=out, stderr=err)

    return run


def settled(folder: Path) -> list[int]:
    """Settled tokens after every line of the ledger."""
    sums, total = [], 0
    for line in (folder / ".w2s/store/ledger/asked.jsonl").read_text().splitlines():
        entry = json.loads(line)
        total += entry.get("prompt_tokens", 0) + entry.get("completion_tokens", 0)
        sums.append(total)
    return sums


def last_run(folder: Path) -> Path:
    return max((folder / "runs").iterdir(), key=lambda p: p.stat().st_mtime_ns)


def test_a_run_stops_at_its_budget_and_a_higher_one_pays_only_for_the_rest(
    proxied: Any, recipe: Any, w2s: Any, tmp_path: Path
) -> None:
    with proxied() as proxy:
        path = recipe(proxy.url, end="budget: {tokens: 600}")
        assert w2s("probe", path).returncode == 0
        proxy.reset()
        first = w2s("run", path)
        assert first.returncode == 3, first.stderr
        assert "the budget is reached" in first.stderr and "Traceback" not in first.stderr
        run = last_run(tmp_path)
        assert (run / "status").read_text() == "partial\n"
        results = json.loads((run / "results.json").read_text())
        assert {r["phase"] for r in results["rows"]} == {"second"}
        assert any("first/supervisor/label" in s for s in results["unfinished"])
        assert "budget" in {w["code"] for w in results["warnings"]}
        assert "is reached" in (run / "report.html").read_text()
        spent = json.loads((run / "usage.json").read_text())["hosted"]["all_runs"]["settled"]
        assert 0 < spent["prompt_tokens"] + spent["completion_tokens"] <= 600
        paid = dict(proxy.completed)
        assert 0 < spent["calls"] < 52

        second = w2s("run", recipe(proxy.url, end="budget: {tokens: 100000}"))
        assert second.returncode == 0, second.stderr
        again = [k for k in paid if proxy.completed[k] > 1]
        assert not again, "what was paid for is not asked again"
    sums = settled(tmp_path)
    assert sums == sorted(sums) and sums[-1] == sum(proxy.usage)

    with proxied() as other:
        plain = tmp_path / "undisturbed"
        plain.mkdir()
        (plain / "rows.jsonl").write_text((tmp_path / "rows.jsonl").read_text())
        text = (tmp_path / "asked.yaml").read_text().replace(proxy.url, other.url)
        (plain / "asked.yaml").write_text(text)
        done = w2s("run", plain / "asked.yaml", "--store", plain / "s", "--runs", plain / "r")
        assert done.returncode == 0, done.stderr
        [undisturbed] = (plain / "r").iterdir()
    assert (undisturbed / "results.json").read_bytes() == (
        last_run(tmp_path) / "results.json"
    ).read_bytes()

    shown = w2s("cost", "last")
    assert shown.returncode == 0, shown.stderr
    assert "first/supervisor/label/pool" in shown.stdout and "lab@http://127.0.0.1" in shown.stdout
    told = json.loads(w2s("cost", "last", "--json").stdout)
    assert told["all_runs"]["settled"]["calls"] == sum(proxy.completed.values())
    assert told["all_runs"]["standing"]["calls"] == 0


def test_a_killed_run_goes_on_without_asking_again(
    proxied: Any, recipe: Any, w2s: Any, tmp_path: Path
) -> None:
    with proxied(delay=0.01) as proxy:
        path = recipe(proxy.url)
        assert w2s("probe", path).returncode == 0
        proxy.reset()
        command = [sys.executable, "-m", "w2s_toolkit", "run", str(path), "-q"]
        killed = subprocess.run(command, env=os.environ | {"ASKING_KILL": "15"}, timeout=100)
        assert killed.returncode == -9
        kept = {p.stem for p in (tmp_path / ".w2s/store/calls").rglob("*.json")}
        assert len(kept) == 15
        before = settled(tmp_path)
        once = set(proxy.completed)
        done = w2s("run", path)
        assert done.returncode == 0, done.stderr
        asked_twice = [k for k in once if proxy.completed[k] > 1]
        assert len(asked_twice) <= 4, "at most what was under way when it was killed"
        after = settled(tmp_path)
        assert after[: len(before)] == before and after == sorted(after)
        usage = json.loads((last_run(tmp_path) / "usage.json").read_text())["hosted"]
        assert usage["all_runs"]["standing"]["calls"] <= 4
        entries = {p.stem for p in (tmp_path / ".w2s/store/calls").rglob("*.json")}
        assert kept < entries and len(entries) == 52


@pytest.mark.parametrize(
    "fault",
    ["echo_401", "echo_500", "echo_400", "echo_reply", "echo_forms", "echo_redirect", "echo_chunks",
     "echo_stream"],
)  # fmt: skip
def test_a_key_that_the_server_repeats_is_found_nowhere(
    fault: str, proxied: Any, recipe: Any, w2s: Any, tmp_path: Path
) -> None:
    commands = [["run"], ["doctor"], ["probe"]]
    commands += [["run", "--executor", "subprocess"]] if fault in ("echo_401", "echo_reply") else []
    with proxied() as proxy:
        path = recipe(proxy.url, "max_attempts: 2, api_key_env: CANARY_KEY")
        assert w2s("probe", path, CANARY_KEY=CANARY).returncode == 0
        proxy.rate, proxy.faults = 1.0, (fault,)
        said = [w2s(*command, path, CANARY_KEY=CANARY, OPENAI_LOG="debug") for command in commands]
    answers = fault in ("echo_reply", "echo_stream")
    assert said[0].returncode == (0 if answers else 1), said[0].stderr
    assert proxy.met[fault], "the server did repeat it"
    if answers:
        texts = "".join(p.read_text() for p in (tmp_path / ".w2s/store/calls").rglob("*.json"))
        assert "your key is [secret], is it not" in texts
    assert "Traceback" not in "".join(s.stderr for s in said)
    # The first 12 and the last 4 characters of base64 may hold something else than the key.
    written = [form[12:-4] if form.isalnum() else form for form in forms(CANARY)] + [CANARY]
    pieces = {form[i : i + 16] for form in written for i in range(len(form) - 15)}
    assert len(pieces) > 60
    everything = [s.stdout + s.stderr for s in said]
    everything += [
        p.read_bytes().decode("utf-8", "replace") for p in tmp_path.rglob("*") if p.is_file()
    ]
    assert not [text for text in everything for piece in pieces if piece in text]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (f"api_key_env: {CANARY}", "not the name of an environment variable"),
        (f"api_key: {CANARY}", "unknown key 'api_key'"),
    ],
)
def test_a_key_in_the_recipe_is_refused_and_not_repeated(
    more: str, says: str, recipe: Any, w2s: Any, tmp_path: Path
) -> None:
    path = recipe("http://127.0.0.1:1/v1", more)
    for command in ("validate", "run", "plan"):
        done = w2s(command, path)
        assert done.returncode == 2
        assert says in done.stderr and "  next: " in done.stderr
        assert "Zq81" not in done.stderr + done.stdout
    literal = f"models.helper.api_key_env={CANARY}"
    done = w2s("validate", recipe("http://127.0.0.1:1/v1"), "--set", literal)
    assert done.returncode == 2 and "Zq81" not in done.stderr + done.stdout


def test_a_password_in_the_address_is_refused_and_not_repeated(recipe: Any, w2s: Any) -> None:
    done = w2s("validate", recipe("http://me:hunter2hunter2@127.0.0.1:1/v1"))
    assert done.returncode == 2 and "user name or password" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    done = w2s("validate", recipe("http://127.0.0.1:1/v1?key=hunter2hunter2"))
    assert done.returncode == 2 and "after ? or #" in done.stderr


def test_a_cap_on_money_needs_prices(proxied: Any, recipe: Any, w2s: Any, tmp_path: Path) -> None:
    with proxied() as proxy:
        capped = recipe(proxy.url, end="budget: {usd: 0.001}")
        refused = w2s("run", capped)
        assert refused.returncode == 2
        assert "models.helper" in refused.stderr and "price" in refused.stderr
        assert not proxy.sent
        stopped = w2s("run", capped, ASKING_PRICE="2")
        assert stopped.returncode == 3, stopped.stderr
        usage = json.loads((last_run(tmp_path) / "usage.json").read_text())["hosted"]["all_runs"]
        assert 0 < usage["settled"]["usd"] <= 0.001
        spent = usage["settled"]
        due = 2e-6 * (spent["prompt_tokens"] + 2 * spent["completion_tokens"])
        assert spent["usd"] == pytest.approx(due) and spent["unpriced"] == 0


def test_planning_needs_no_network_and_a_run_settles_what_was_open(
    proxied: Any, recipe: Any, w2s: Any
) -> None:
    with proxied() as proxy:
        path = recipe(proxy.url)
        planned = w2s("plan", path)
        assert planned.returncode == 0 and "was not asked yet what it can" in planned.stdout
        assert w2s("validate", path).returncode == 0
        assert not proxy.sent
        assert w2s("run", path).returncode == 0
        sent = sum(proxy.sent.values())
    # The server is gone: everything is planned, run and found again from what is known.
    planned = w2s("plan", path)
    assert "not asked yet" not in planned.stdout and "0 to run" in planned.stdout
    again = w2s("run", path)
    assert again.returncode == 0 and "0 stages run" in again.stdout
    assert sum(proxy.sent.values()) == sent
    asked = w2s("doctor", path)
    assert asked.returncode == 1 and "the connection failed" in asked.stdout
    assert "asked on" in asked.stdout and "Traceback" not in asked.stdout + asked.stderr


def test_an_endpoint_that_is_not_there_ends_a_run_before_it_begins(
    recipe: Any, w2s: Any, tmp_path: Path
) -> None:
    done = w2s("run", recipe("http://127.0.0.1:9/v1", "max_attempts: 2"))
    assert done.returncode == 1
    assert "cannot be asked what it can do" in done.stderr and "  next: " in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_missing_key_ends_a_run_before_it_begins(recipe: Any, w2s: Any) -> None:
    done = w2s("run", recipe("http://127.0.0.1:9/v1", "api_key_env: NO_SUCH_KEY_AT_ALL"))
    assert done.returncode == 1
    assert "NO_SUCH_KEY_AT_ALL is not set" in done.stderr and "export" in done.stderr


@pytest.mark.slow
def test_stages_side_by_side_share_one_budget(
    proxied: Any, recipe: Any, w2s: Any, tmp_path: Path
) -> None:
    with proxied() as proxy:
        path = recipe(proxy.url, end="budget: {tokens: 700}")
        assert w2s("probe", path).returncode == 0
        proxy.reset()
        stopped = w2s("run", path, "--jobs", 2, "--threads", 2)
        assert stopped.returncode == 3, stopped.stderr
        assert settled(tmp_path)[-1] == sum(proxy.usage) <= 700
        done = w2s("run", path, "--jobs", 2, "--threads", 2, "--set", "budget=null")
        assert done.returncode == 0, done.stderr
        assert settled(tmp_path)[-1] == sum(proxy.usage)
        assert max(proxy.completed.values()) == 1


def test_a_hosted_and_a_trained_member_are_combined_and_a_budget_loses_neither(
    proxied: Any, recipe: Any, w2s: Any, tmp_path: Path
) -> None:
    both = "[{use: asking, model: helper}, {use: toy_bayes, model: weak, train_on: weak_train}]"
    mixed = ["--set", f"phases.first.supervisors={both}"]
    mixed += ["--set", "phases.first.ensemble={use: bagging, members: 2, by: [models]}"]
    with proxied() as proxy:
        path = recipe(proxy.url, end="budget: {tokens: 600}")
        assert w2s("probe", path).returncode == 0
        proxy.reset()
        first = w2s("run", path, *mixed)
        assert first.returncode == 3 and "the budget is reached" in first.stderr, first.stderr
        paid = dict(proxy.completed)
        assert 0 < len(paid) < 52
        done = w2s("run", recipe(proxy.url, end="budget: {tokens: 100000}"), *mixed)
        assert done.returncode == 0, done.stderr
        assert set(proxy.completed.values()) == {1}, "a row is asked about once"
        assert len(proxy.completed) == 52
    run = last_run(tmp_path)
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    ran = {line["stage"] for line in lines if line.get("status") == "ran"}
    assert "first/supervisor/member 0/label pool" in ran
    assert "first/supervisor/member 1/fit" not in ran, "it was kept when the budget ended the run"
    results = json.loads((run / "results.json").read_text())["rows"]
    assert {r["role"] for r in results if r["phase"] == "first"} >= {"supervisor"}
