"""What went wrong with an attempt, whether another one makes sense, and whether it may have cost money."""

from __future__ import annotations

import datetime as dt
import email.utils
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import openai

from w2s_openai.replies import MalformedError
from w2s_toolkit.contracts.chat import FailureCode

EXHAUSTED = frozenset(
    {
        "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "quota_exceeded",
        "insufficient_credits", "insufficient_balance", "account_deactivated", "access_terminated",
    }
)  # fmt: skip
"""What servers call it when nothing is left to spend, in ``code`` or ``type`` of an error."""

MAYBE_PAID = frozenset({408, 504, 524})
"""A gateway gave up waiting; the server behind it may have finished."""

LONGEST_REASON = 300


class CallError(Exception):
    """One attempt without an answer.

    Attributes:
        code: see :class:`~w2s_toolkit.contracts.ChatFailure`.
        retry: another attempt may help.
        throttled: there were too many requests.
        maybe_paid: whether it was paid for cannot be told.
        after: seconds that the server asks to wait.
        status: of HTTP; None where there was no answer.
        sent: whether there was a request at all.
        named: the setting that the server complains about, as far as it says.
    """

    def __init__(
        self,
        code: FailureCode,
        reason: str,
        *,
        retry: bool = False,
        throttled: bool = False,
        maybe_paid: bool = False,
        after: float | None = None,
        status: int | None = None,
        named: str = "",
        sent: bool = True,
    ) -> None:
        super().__init__(reason)
        self.code: FailureCode = code
        self.reason = reason
        self.retry, self.throttled, self.maybe_paid = retry, throttled, maybe_paid
        self.after, self.status, self.named = after, status, named
        self.sent = sent


def failed(
    error: Exception, timeout: float, scrub: Callable[[str], str] = lambda text: text
) -> CallError:
    """An error of the client, classified.

    Args:
        timeout: seconds that the attempt was given, for the message.
        scrub: takes secrets out of what the server says, before that is cut to a line.
    """
    found = _classified(error, timeout, scrub)
    found.reason = _line(scrub(found.reason))
    return found


def _classified(error: Exception, timeout: float, scrub: Callable[[str], str]) -> CallError:
    if isinstance(error, MalformedError) and error.error is not None:
        return _error_with_200(error.error)
    if isinstance(error, MalformedError):
        what = f"answered with status 200, but {error}"
        return CallError("malformed", what, retry=True, maybe_paid=True, status=200)
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        unsent = isinstance(error.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout)
        what = f"no answer within {timeout:g} s"
        return CallError("unreachable", what, retry=True, maybe_paid=not unsent)
    if isinstance(error, openai.APIStatusError):
        return _refused(error)
    if isinstance(error, openai.APIConnectionError | httpx2.TransportError):
        cause = error.__cause__ or error
        what = f"the connection failed: {type(cause).__name__}: {cause}"
        unsent = isinstance(cause, httpx2.ConnectError | httpx2.UnsupportedProtocol)
        return CallError("unreachable", what, retry=True, maybe_paid=not unsent)
    what = f"{type(error).__name__}: {error}"
    return CallError("malformed", what, retry=True, maybe_paid=True)


def _refused(error: openai.APIStatusError) -> CallError:
    """An error status: which may be tried again, and which ends all calls to the endpoint."""
    status, details = error.status_code, _details(error.body)
    words = {str(details.get(name) or "") for name in ("code", "type")}
    what = f"status {status}: {_message(details, error)}"
    return _by_status(status, words, what, error.response.headers, str(details.get("param") or ""))


def _error_with_200(details: Mapping[str, Any]) -> CallError:
    """An error that a gateway wraps into a 200, with the status it got in ``code``."""
    code = details.get("code")
    status = code if isinstance(code, int) and 400 <= code <= 599 else 500
    words = {str(details.get(name) or "") for name in ("code", "type")}
    what = f"answered with status 200, but with an error: {details.get('message') or code}"
    found = _by_status(status, words, what, {}, "")
    found.maybe_paid = found.maybe_paid or (found.retry and not found.throttled)
    return found


def _by_status(
    status: int, words: set[str], what: str, headers: Mapping[str, str], named: str
) -> CallError:
    if status == 402 or (status in (403, 429) and words & EXHAUSTED):
        return CallError("quota", what, status=status)
    if status in (401, 403):
        return CallError("auth", what, status=status)
    if status == 429:
        after = retry_after(headers)
        return CallError(
            "unreachable", what, retry=True, throttled=True, after=after, status=status
        )
    if status in (408, 409) or status >= 500:
        after, maybe = retry_after(headers), status in MAYBE_PAID
        return CallError(
            "unreachable",
            what,
            retry=True,
            maybe_paid=maybe,
            after=after,
            status=status,
            named=named,
        )
    return CallError("rejected", what, status=status, named=named)


def _details(body: object) -> Mapping[str, Any]:
    """The error object of a body, in the spellings that are in use."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        return inner if isinstance(inner, Mapping) else {"message": inner}
    return {"message": body or ""}


def _message(details: Mapping[str, Any], error: openai.APIStatusError) -> str:
    said = details.get("message") or details.get("detail")
    return str(said) if said else error.message


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait; None where it does not, or where it cannot be read.

    A date is taken by the server's own clock where the answer tells it.
    """
    try:
        if "retry-after-ms" in headers:
            return _sane(float(headers["retry-after-ms"]) / 1000)
        text = headers.get("retry-after", "")
        return _sane(float(text)) if text else None
    except ValueError:
        pass
    try:
        then = _date(headers.get("retry-after", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    try:
        now = _date(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        now = dt.datetime.now(dt.UTC)
    return _sane((then - now).total_seconds())


def _date(text: str) -> dt.datetime:
    found = email.utils.parsedate_to_datetime(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _sane(seconds: float) -> float | None:
    if seconds != seconds or seconds == float("inf"):
        return None
    return max(0.0, seconds)
