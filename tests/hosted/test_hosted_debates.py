"""Whole runs with hosted debaters: faults, kills, budgets, and the same debates held elsewhere."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("tenacity")

import debated
from debated import Held, asked_again, differences, ended, misaccounted, problems, run_here, start
from fault_proxy import RETRIED, Proxy

from w2s_lab.family import folder
from w2s_oversight.reading import talks_of
from w2s_toolkit import load_run

DEBATES = 40
MODEL = str(folder("lab-l"))


@dataclass
class Stand:
    """A proxy in front of a server, the recipe, and its undisturbed run."""

    proxy: Proxy
    recipe: Path
    clean: Held

    def with_faults(self, rate: float = 0.0, first: tuple[str, ...] = ()) -> Proxy:
        """The proxy, having forgotten everything."""
        debated.know(self.proxy.url, MODEL)
        self.proxy.reset()
        self.proxy.rate, self.proxy.first, self.proxy.faults = rate, list(first), RETRIED
        return self.proxy


@pytest.fixture(scope="module")
def stand(lab_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    place = tmp_path_factory.mktemp("debated")
    with Proxy(lab_server, stall=0.3, seed=1).running() as proxy, pytest.MonkeyPatch.context() as m:
        m.setenv("W2S_CACHE", str(place / "cache"))
        m.chdir(place)
        debated.know(proxy.url, MODEL)
        server = debated.hosted(proxy.url, MODEL)
        recipe = debated.write_recipe(place / "debated.yaml", server, debates=DEBATES)
        code, said = run_here(recipe, place / "clean")
        assert code == 0, said
        clean = Held(place / "clean")
        assert not problems(clean, DEBATES) + misaccounted(clean, proxy)
        assert sum(proxy.sent.values()) == 4 * DEBATES
        yield Stand(proxy, recipe, clean)


@pytest.mark.slow(seconds=20)
def test_forty_debates_through_a_fifth_of_faults_are_those_of_an_undisturbed_run(
    stand: Stand, tmp_path: Path
) -> None:
    proxy = stand.with_faults(0.2, first=RETRIED)
    code, said = run_here(stand.recipe, tmp_path)
    assert code == 0, said
    rough = Held(tmp_path)
    assert set(proxy.met) == set(RETRIED) and sum(proxy.met.values()) > 20
    assert not problems(rough, DEBATES) + misaccounted(rough, proxy)
    assert not differences(stand.clean, rough)


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize(("by", "at"), [(signal.SIGKILL, 23), (signal.SIGINT, 97)])
def test_a_run_that_was_ended_anywhere_asks_for_no_kept_turn_again(
    by: signal.Signals, at: int, stand: Stand, tmp_path: Path
) -> None:
    proxy, held = stand.with_faults(), Held(tmp_path)
    process = start(stand.recipe, tmp_path)
    said = ended(process, lambda: proxy.completed.total() >= at, by)
    assert process.returncode == (-9 if by == signal.SIGKILL else 130), said
    assert "Traceback" not in said
    if by == signal.SIGINT:
        assert "Go on with: " in said and held.status == "stopped"
    kept, before, settled = held.kept(), Counter(proxy.sent), held.settled()
    assert at - 8 <= len(kept) < 4 * DEBATES
    code, said = run_here(stand.recipe, tmp_path)
    assert code == 0, said
    assert asked_again(proxy, before, kept) == []
    assert held.settled()[: len(settled)] == settled
    total, standing = held.ledger()
    unsettled = proxy.completed.total() - total.calls
    assert 0 <= unsettled <= standing.calls <= 8, "what was under way is listed apart"
    assert not problems(held, DEBATES) and not differences(stand.clean, held)


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize(
    ("cap", "faults"),
    [("budget: {tokens: 5000}", ()), ("", (*[""] * 30, "quota"))],
    ids=["budget", "quota"],
)
def test_what_was_paid_for_is_not_paid_again_when_there_is_more_to_spend(
    cap: str,
    faults: tuple[str, ...],
    stand: Stand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from w2s_oversight import talk

    monkeypatch.setattr(talk, "CHUNK", 4)  # several of them have calls under way when one ends it
    proxy, held = stand.with_faults(first=faults), Held(tmp_path)
    own = tmp_path / "debated.yaml"
    own.write_text(stand.recipe.read_text() + cap)
    (tmp_path / "prompts").symlink_to(stand.recipe.parent / "prompts")
    code, said = run_here(own, tmp_path)
    assert code == 3, said
    assert "Traceback" not in said and "what was answered is kept" in said
    assert ("the budget is spent" if cap else "is used up") in said
    assert held.status == "partial"
    results = json.loads(held.results())
    assert any("oversight" in stage for stage in results["unfinished"])
    total, standing = held.ledger()
    assert 20 <= total.calls == proxy.completed.total() < 4 * DEBATES
    assert not standing.calls, "what was under way was waited for"
    assert not cap or total.tokens <= 5000
    talks = talks_of(load_run(held.run), tmp_path / "store")
    shown = {
        (turn.example_id, turn.round, turn.speaker): turn.text
        for talk in talks
        for turns in talk.turns.values()
        for turn in turns
    }
    assert not all(talk.ended for talk in talks)
    assert 20 <= len(shown) <= total.calls, "what was paid for can be read"
    code, said = run_here(own, tmp_path, "--set", "budget=null")
    assert code == 0, said
    assert not problems(held, DEBATES) + misaccounted(held, proxy)
    assert not differences(stand.clean, held)
    assert shown.items() <= debated.turns(held).items()
    assert all(talk.ended for talk in talks_of(load_run(held.run), tmp_path / "store"))


@pytest.mark.slow(seconds=10)
def test_the_same_debates_are_held_here_there_or_both_by_changing_models_alone(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from w2s_oversight import talk

    proxy = stand.with_faults()
    here, there = debated.local("lab-l"), debated.hosted(proxy.url, MODEL)
    monkeypatch.setattr(talk, "CHUNK", 1)  # one example at a time: nothing is padded to another
    said: list[Any] = []
    for name, pair in {
        "here": (here, here),
        "there": (there, there),
        "both": (here, there),
    }.items():
        recipe = tmp_path / name / "debated.yaml"
        debated.write_recipe(recipe, pair[0], opponent=pair[1], debates=16)
        code, told = run_here(recipe, tmp_path / name)
        assert code == 0, told
        said.append(debated.turns(Held(tmp_path / name)))
    assert len(said[0]) == 16 * 4 and len(set(said[0].values())) > 16
    assert said[0] == said[1] == said[2]
    assert proxy.completed.total() == 16 * 4 + 16 * 2
