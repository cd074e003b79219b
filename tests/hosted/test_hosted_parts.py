"""Pieces on their own: what is retried, what is sent, what is read."""

from __future__ import annotations

import datetime as dt
import email.utils
import json
from typing import Any

import pytest

pytest.importorskip("openai")
pytest.importorskip("tenacity")

import httpx2
import openai
from asked import ask
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_openai.config import OpenAIModelConfig
from w2s_openai.content import CONTROL, plain_content
from w2s_openai.failures import EXHAUSTED, failed, retry_after
from w2s_openai.known import Known
from w2s_openai.replies import MalformedError, Reply, read_reply
from w2s_openai.wire import Wire

CONFIG = OpenAIModelConfig(id="m", base_url="http://127.0.0.1:9/v1")
CLIENT = openai.OpenAI(api_key="none", base_url=CONFIG.base_url)
KNOWN = Known(CONFIG.endpoint(), "m", "", "max_tokens", 5, True, True)


def status_error(status: int, body: Any, headers: dict[str, str] | None = None) -> Exception:
    """As the client raises it for a response."""
    request = httpx2.Request("POST", "http://127.0.0.1:9/v1/chat/completions")
    response = httpx2.Response(status, json=body, headers=headers, request=request)
    return CLIENT._make_status_error_from_response(response)


@settings(deadline=None)
@given(
    st.integers(400, 599),
    st.sampled_from(["", "rate_limit_exceeded", "invalid_request_error", *sorted(EXHAUSTED)]),
    st.booleans(),
    st.text(max_size=20),
)
def test_what_is_retried_follows_from_status_and_code(
    status: int, code: str, as_type: bool, message: str
) -> None:
    body = {"error": {"type" if as_type else "code": code, "message": message}}
    found = failed(status_error(status, body), 1.0)
    exhausted = status == 402 or (code in EXHAUSTED and status in (403, 429))
    again = status in (408, 409, 429) or status >= 500
    assert found.retry is (again and not exhausted)
    assert found.throttled is (status == 429 and not exhausted)
    if exhausted:
        assert found.code == "quota"
    elif status in (401, 403):
        assert found.code == "auth"
    elif not again:
        assert found.code == "rejected"
    assert "\n" not in found.reason and len(found.reason) < 400


@pytest.mark.parametrize(
    "body", [None, [], [1], {}, {"error": None}, {"error": "text"}, {"detail": [1]}, "text", 7]
)
def test_errors_of_any_shape_are_classified(body: Any) -> None:
    assert failed(status_error(422, body), 1.0).code == "rejected"
    assert failed(status_error(503, body), 1.0).retry


def test_lost_connections_and_timeouts_are_retried_and_may_have_cost_money() -> None:
    request = httpx2.Request("POST", "http://127.0.0.1:9/")
    read, connect = (
        openai.APIConnectionError(request=request),
        openai.APIConnectionError(request=request),
    )
    read.__cause__, connect.__cause__ = httpx2.ReadError("x"), httpx2.ConnectError("x")
    timeout = openai.APITimeoutError(request=request)
    for error, maybe in ((read, True), (connect, False), (timeout, True), (TimeoutError(), True)):
        found = failed(error, 5.0)
        assert (found.code, found.retry, found.maybe_paid) == ("unreachable", True, maybe)


@settings(deadline=None)
@given(st.one_of(st.text(max_size=30), st.floats().map(str), st.integers().map(str)))
def test_retry_after_is_a_sane_number_or_nothing(text: str) -> None:
    found = retry_after({"retry-after": text})
    assert found is None or 0 <= found < float("inf")


def test_retry_after_in_seconds_milliseconds_and_as_a_date() -> None:
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    then = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=90)
    found = retry_after({"retry-after": email.utils.format_datetime(then, usegmt=True)})
    assert found is not None and 80 < found < 95
    assert retry_after({}) is None


@settings(deadline=None)
@given(st.text("<|>/_ sSIN[]T｜end", max_size=40), st.text(max_size=20))
def test_no_control_token_survives_in_content(first: str, second: str) -> None:
    text = first + second
    plain, found = plain_content(text)
    assert not CONTROL.search(plain)
    assert found is bool(CONTROL.search(text))
    assert found or plain == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert plain_content(plain) == (plain, False)


@pytest.mark.parametrize(
    "token",
    ["<|im_end|>", "<|user|>", "<s>", "</s>", "<start_of_turn>", "[INST]", "[/INST]", "<<SYS>>",
     "<｜User｜>", "<|eot_id|>", "<pad>", "<|endoftext|>"],
)  # fmt: skip
def test_control_tokens_of_common_models_are_known(token: str) -> None:
    plain, found = plain_content(f"a{token}b")
    assert found and token not in plain


def test_halves_of_surrogate_pairs_can_be_sent() -> None:
    call, _ = Wire(CONFIG, KNOWN).answer(ask("so \ud83d it \ud83d\ude00 ends"))
    content = call.body["messages"][0]["content"]
    assert content == "so � it 😀 ends" and content.encode()


def test_everything_that_is_asked_is_in_the_body_and_the_key() -> None:
    wire = Wire(CONFIG, KNOWN)
    plain = ask("x", 5)
    others = [
        ask("y", 5), ask("x", 6), ask("x", 5, temperature=0.5), ask("x", 5, top_p=0.5),
        ask("x", 5, stop=("a",)), ask("x", 5, seed=1), ask("x", 5, seed=1, sample_index=1),
        ask("x", 5, sample_index=1), ask("x", 5, schema={"type": "object"}),
    ]  # fmt: skip
    keys = {wire.answer(r)[0].key for r in [plain, *others]} | {wire.scores(plain).key}
    assert len(keys) == len(others) + 2
    assert wire.answer(plain)[0].body == {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 5,
        "temperature": 0.0,
    }
    seeds = [wire.answer(ask("x", seed=1, sample_index=i))[0].body["seed"] for i in range(4)]
    assert seeds[0] == 1 and len(set(seeds)) == 4


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_reply_or_malformed(content: bytes) -> None:
    with pytest.raises(MalformedError):
        read_reply(content)


@pytest.mark.parametrize(
    "message",
    [None, 3, [], {"content": 5}, {"content": {"text": "x"}}],
)
def test_choices_of_another_shape_are_malformed_and_say_what_they_cost(message: Any) -> None:
    raw = {"choices": [{"message": message}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    with pytest.raises(MalformedError) as error:
        read_reply(json.dumps(raw).encode())
    assert error.value.usage is not None and error.value.usage.prompt_tokens == 3


def test_replies_in_the_spellings_that_are_in_use() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    raw: dict[str, Any] = {"choices": [{"message": {"content": parts}}]}
    assert read_reply(json.dumps(raw).encode()) == Reply("ab", "stop", None, "")
    raw = {"choices": [{"message": {"content": None, "refusal": "no"}}]}
    assert read_reply(json.dumps(raw).encode()).finish == "content_filter"
    top = [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": float("-inf")}]
    raw = {"choices": [{"message": {"content": "a"}, "logprobs": {"content": [{"top_logprobs": top}]}}]}  # fmt: skip
    found = read_reply(json.dumps(raw).encode())
    assert found.top == (("a", -0.5), ("b", -9999.0))
    assert Reply.from_json(json.loads(json.dumps(found.to_json()))) == found
    odd = {"choices": [{"message": {"content": "a"}}], "usage": {"prompt_tokens": -1}}
    assert read_reply(json.dumps(odd).encode()).usage is None
