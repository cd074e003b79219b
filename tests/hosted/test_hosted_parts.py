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
    # By the server's clock where it tells it: ours may be wrong.
    later = email.utils.format_datetime(then + dt.timedelta(days=9), usegmt=True)
    now = email.utils.format_datetime(then + dt.timedelta(days=9, seconds=-5), usegmt=True)
    assert retry_after({"retry-after": later, "date": now}) == 5
    assert (
        retry_after({"retry-after": now, "date": later}) == 0 == retry_after({"retry-after": "-3"})
    )


def test_a_secret_is_taken_out_before_a_reason_is_cut() -> None:
    from w2s_toolkit.calls import Scrubber

    key = "sk-canary-Zq81/x+7Lw_0aTn5Vb3KfR9m"
    for at in range(240, 310):
        error = status_error(500, {"error": {"message": "x" * at + key}})
        assert "sk-c" not in failed(error, 1.0, Scrubber([key])).reason


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


@pytest.mark.parametrize(
    "usage", [None, 3, {}, {"prompt_tokens": -1}, {"prompt_tokens": 3, "completion_tokens": None},
              {"prompt_tokens": True}, {"prompt_tokens": 3, "completion_tokens": 10**12}],
)  # fmt: skip
def test_a_usage_that_cannot_be_is_none(usage: Any) -> None:
    raw = {"choices": [{"message": {"content": "a"}}], "usage": usage}
    assert read_reply(json.dumps(raw).encode()).usage is None


def test_halves_of_characters_in_answers_can_be_kept(tmp_path: Any) -> None:
    from w2s_toolkit.calls import CallCache

    top = [{"token": "\ud83d", "logprob": -1}]
    choice = {"message": {"content": "so \ud83d it"}, "finish_reason": "stop\udc00"}
    raw = {"model": "m\ud83d", "choices": [{**choice, "logprobs": {"content": [{"top_logprobs": top}]}}]}  # fmt: skip
    reply = read_reply(json.dumps(raw).encode())
    assert reply.text == "so \ufffd it"
    cache = CallCache(tmp_path)
    cache.put("ab" * 32, reply.to_json())
    kept = cache.get("ab" * 32)
    assert kept is not None and Reply.from_json(kept) == reply


def test_what_took_the_place_of_an_answer_is_known() -> None:
    def spent(**message: Any) -> str:
        raw = {"choices": [{"message": message, "finish_reason": "length"}]}
        return read_reply(json.dumps(raw).encode()).spent

    assert spent(content=None, tool_calls=[{"id": "x"}]) == "tools"
    assert spent(content="", reasoning_content="well") == "reasoning"
    assert spent(content=None, reasoning="well") == "reasoning"
    assert spent(content="yes", reasoning="well") == spent(content=None) == ""


PIECES = [
    {"model": "m", "choices": [{"delta": {"role": "assistant"}}]},
    {"choices": [{"delta": {"content": "ye"}}]},
    {"choices": [{"delta": {"content": "s"}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
]


def streamed(pieces: list[Any], end: str = "data: [DONE]\n\n") -> bytes:
    return ("".join(f"data: {json.dumps(p)}\n\n" for p in pieces) + end).encode()


def test_a_stream_that_nobody_asked_for_is_read() -> None:
    reply = read_reply(streamed(PIECES))
    assert (reply.text, reply.finish, reply.says) == ("yes", "stop", "m")
    assert reply.usage is not None and reply.usage.completion_tokens == 2
    assert read_reply(b": ping\n\n" + streamed(PIECES[:2])).text == "ye"
    for broken in (streamed(PIECES[:2], ""), streamed([], ""), streamed(PIECES)[:150]):
        with pytest.raises(MalformedError):
            read_reply(broken)


@pytest.mark.parametrize(
    ("error", "code", "retry"),
    [
        ({"code": 402, "message": "no credits"}, "quota", False),
        ({"code": 429, "message": "slow down"}, "unreachable", True),
        ({"code": 502, "message": "provider is down"}, "unreachable", True),
        ({"code": "insufficient_quota", "message": "x"}, "unreachable", True),
        ({"message": "what"}, "unreachable", True),
    ],
)
def test_an_error_with_status_200_is_the_error_it_says(error: Any, code: str, retry: bool) -> None:
    for content in (json.dumps({"error": error}).encode(), streamed([{"error": error}])):
        with pytest.raises(MalformedError) as raised:
            read_reply(content)
        found = failed(raised.value, 1.0)
        assert (found.code, found.retry) == (code, retry)
        assert found.throttled is (error.get("code") == 429)
        assert str(error["message"]) in found.reason
