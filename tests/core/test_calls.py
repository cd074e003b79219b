"""Keys of calls, their cache and ledger, and what takes secrets out of texts."""

from __future__ import annotations

import base64
import json
import multiprocessing
import string
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from w2s_toolkit.calls import Budget, Call, CallCache, Ledger, Scrubber, Spent, endpoint_of
from w2s_toolkit.calls.ledger import Place
from w2s_toolkit.calls.scrub import FRAGMENT, mask_literals
from w2s_toolkit.errors import StoreError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
BODY = st.dictionaries(st.text(max_size=4), JSON, max_size=4)
SECRET = st.text(string.ascii_letters + string.digits + '-_/+=%"\\é', min_size=8, max_size=60)
QUICKLY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
PLACE = Place("run", "stage", "model")


def key(body: Any, **changed: Any) -> str:
    settings = {"endpoint": "https://a.example/v1", "model": "m", "revision": None}
    return Call.of(**{**settings, "sample_index": 0, **changed}, body=body).key


@QUICKLY
@given(BODY)
def test_a_call_is_the_same_however_its_body_is_ordered_and_cannot_be_changed(body: Any) -> None:
    turned = dict(reversed(body.items()))
    assert key(body) == key(turned)
    call = Call.of(endpoint="http://a/v1", model="m", revision=None, body=body, sample_index=0)
    sent = call.body
    assert sent == body
    sent["another"] = 1
    assert call.body == body


@QUICKLY
@given(BODY, BODY)
def test_another_body_is_another_call(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (key(one) == key(other)) is same


def test_every_part_of_a_call_counts_and_secrets_in_the_address_do_not() -> None:
    plain = key({})
    others = [
        key({}, endpoint="https://b.example/v1"),
        key({}, endpoint="https://a.example/v2"),
        key({}, endpoint="http://a.example/v1"),
        key({}, model="n"),
        key({}, revision="2026"),
        key({}, sample_index=1),
    ]
    assert len({plain, *others}) == 7
    assert plain == key({}, endpoint="HTTPS://me:pw@A.example:443/v1/?key=1#x")
    with pytest.raises(ValueError):
        key({"x": float("nan")})


@QUICKLY
@given(st.text(max_size=12), st.text(max_size=12))
def test_no_user_or_password_is_left_of_an_address(user: str, password: str) -> None:
    secret = f"U{quote(user, safe='')}U:P{quote(password, safe='')}P"
    assert endpoint_of(f"https://{secret}@example.com:8443/v1") == "https://example.com:8443/v1"


# --- scrubbing -----------------------------------------------------------------------------------


@QUICKLY
@given(SECRET, st.text(max_size=40), st.text(max_size=40))
def test_a_secret_is_found_in_every_way_that_it_is_written(
    secret: str, before: str, after: str
) -> None:
    scrub = Scrubber([secret])
    forms = (
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode(),
    )
    for form in forms:
        text = scrub(before + form + after)
        assert form not in text
        assert "[secret]" in text
    value = scrub.value({secret: [1, {"x": before + secret}], "y": (None, secret)})
    assert secret not in json.dumps(value, ensure_ascii=False)


@QUICKLY
@given(SECRET.filter(lambda s: len(s) > 20), st.data())
def test_long_pieces_of_a_secret_are_found_too(secret: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(secret) - FRAGMENT))
    end = data.draw(st.integers(start + FRAGMENT, len(secret)))
    assert secret[start:end] not in Scrubber([secret])(f"it ends {secret[start:end]}")


@QUICKLY
@given(SECRET, st.text(max_size=60))
def test_other_text_is_left_alone(secret: str, text: str) -> None:
    scrub = Scrubber([secret, "none", ""])
    windows = {secret[i : i + 8] for i in range(len(secret) - 7)}
    assume(not any(w in text for w in windows))
    assert scrub(text) == text or len(text) >= FRAGMENT
    assert scrub("none at all") == "none at all"


def test_what_looks_like_a_key_is_masked_in_lines_that_are_shown() -> None:
    assert "abc123def456" not in mask_literals("  api_key: abc123def456")
    assert mask_literals("api_key_env: OPENAI_API_KEY") == "api_key_env: OPENAI_API_KEY"
    assert "hunter2" not in mask_literals("base_url: http://me:hunter2@host/v1")
    assert "sk-abcdefgh1234" not in mask_literals("{x: sk-abcdefgh1234}")
    assert mask_literals("budget: {tokens: 5000}") == "budget: {tokens: 5000}"


# --- cache ---------------------------------------------------------------------------------------


def test_answers_are_kept_whole_without_secrets_and_damage_is_a_miss(tmp_path: Path) -> None:
    cache = CallCache(tmp_path, Scrubber(["topsecretkey"]))
    kept = cache.put("ab" * 32, {"text": "it is topsecretkey", "n": [1, "é"]})
    assert kept == {"text": "it is [secret]", "n": [1, "é"]} == cache.get("ab" * 32)
    [path] = [p for p in tmp_path.rglob("*") if p.is_file()]
    whole = path.read_text()
    for damage in (
        whole[:-1],
        whole.replace("it is", "it was"),
        "[]",
        "",
        json.dumps(
            {"key": "cd" * 32, **{k: v for k, v in json.loads(whole).items() if k != "key"}}
        ),
    ):
        path.write_text(damage)
        assert cache.get("ab" * 32) is None
    assert cache.get("00" * 32) is None
    cache.put("ab" * 32, {"text": "again"})
    assert cache.get("ab" * 32) == {"text": "again"}


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "calls").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot be kept"):
        CallCache(tmp_path / "calls").put("ab" * 32, {})


# --- ledger --------------------------------------------------------------------------------------


def test_a_ledger_reserves_settles_releases_and_keeps_what_stands(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.jsonl", Budget(tokens=100, usd=1.0))
    first = ledger.reserve(PLACE, tokens=60, usd=0.5)
    assert first and ledger.reserve(PLACE, tokens=41, usd=0.1) is None
    assert ledger.reserve(PLACE, tokens=1, usd=0.51) is None
    ledger.settle(first, prompt_tokens=10, completion_tokens=5, usd=0.2)
    second = ledger.reserve(PLACE, tokens=85, usd=0.8)
    assert second
    ledger.release(second)
    third = ledger.reserve(PLACE, tokens=80, usd=None)
    assert third and ledger.waiting_for == 1
    ledger.leave_standing(third)
    assert ledger.waiting_for == 0
    assert ledger.reserve(PLACE, tokens=6, usd=0.0) is None, "what stands counts"
    again = Ledger(tmp_path / "l.jsonl", Budget(tokens=101))
    assert again.spent() == ledger.spent() == {PLACE: Spent(1, 10, 5, 0.2, 0)}
    assert again.standing() == ledger.standing()
    assert (again.standing()[PLACE].calls, again.standing()[PLACE].tokens) == (1, 80)
    assert again.reserve(PLACE, tokens=6, usd=None)
    assert again.spent(run="another") == {}


def test_a_torn_line_costs_nothing_but_itself(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    ledger = Ledger(path)
    name = ledger.reserve(PLACE, tokens=5, usd=None)
    assert name
    ledger.settle(name, prompt_tokens=1, completion_tokens=2, usd=None)
    with path.open("a") as file:
        file.write('{"op": "reserve", "id": "x", "tok')
    later = Ledger(path)
    name = later.reserve(PLACE, tokens=5, usd=None)
    assert name
    later.settle(name, prompt_tokens=4, completion_tokens=0, usd=None)
    assert Ledger(path).total() == Spent(2, 5, 2, 0.0, 2)


def _spend(path: Path, number: int) -> None:
    ledger = Ledger(path, Budget(tokens=1000))
    for _ in range(number):
        name = ledger.reserve(PLACE, tokens=10, usd=0.01)
        if name:
            ledger.settle(name, prompt_tokens=5, completion_tokens=5, usd=0.01)
    ledger.close()


def test_processes_share_a_ledger_and_none_gets_past_the_cap(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    spawn = multiprocessing.get_context("fork")
    workers = [spawn.Process(target=_spend, args=(path, 60)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    total = Ledger(path).total()
    assert (total.calls, total.tokens) == (100, 1000)
    assert total.usd == pytest.approx(1.0)
    assert not Ledger(path).standing()


@QUICKLY
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 60), st.sampled_from("srx")), max_size=30)
)
def test_settled_never_decreases_and_reservations_stay_below_the_cap(
    steps: list[tuple[int, int, str]],
) -> None:
    ledger, before = Ledger(budget=Budget(tokens=200)), 0
    for reserved, used, end in steps:
        held = sum(s.tokens for s in ledger.standing().values()) + ledger.total().tokens
        name = ledger.reserve(PLACE, tokens=reserved, usd=None)
        assert (name is not None) is (held + reserved <= 200)
        if name and end == "s":
            ledger.settle(name, prompt_tokens=min(used, reserved), completion_tokens=0, usd=None)
        elif name and end == "r":
            ledger.release(name)
        assert ledger.total().tokens >= before
        before = ledger.total().tokens
