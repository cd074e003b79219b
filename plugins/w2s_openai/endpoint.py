"""One endpoint: its client, how many requests it is sent at a time, and when it is asked no more."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import anyio
import httpx2
from openai import DEFAULT_CONNECTION_LIMITS, AsyncOpenAI

from w2s_openai.config import OPENAI
from w2s_openai.failures import CallError
from w2s_toolkit.calls import Scrubber
from w2s_toolkit.calls.scrub import ScrubbedLogs
from w2s_toolkit.contracts.chat import FailureCode

START = 16
"""Requests at a time to begin with."""

TRY_AFTER = 8
"""Rounds of answers after which one request more is tried than were accepted so far."""

LOST_IN_A_ROW = 5
"""So many requests in a row with every attempt lost, and the endpoint counts as down."""

PAUSE = 30.0
"""Seconds for which nothing is sent to an endpoint that is down; then one request tries again."""

LOGGERS = (
    "openai", "openai._base_client", "openai._response", "openai._legacy_response",
    "httpx2", "httpcore2", "httpcore2.connection", "httpcore2.http11", "httpcore2.http2",
    "httpcore2.proxy", "httpcore2.socks",
)  # fmt: skip


class Concurrency:
    """How many requests may be under way: it grows with answers and shrinks with 429s.

    It doubles with every round of answers until the first 429. Then it halves, remembers how many were too
    many, climbs back to one less within two rounds, and tries that number again only every
    :data:`TRY_AFTER` rounds: a 429 to such a try costs one step, one that comes sooner halves again, since
    then something else is at its limit, such as requests a minute. Requests that were sent before a cut tell
    nothing new about it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(min(START, most))
        self._too_many: float | None = None
        self._calm = 0
        self._cut_at = 0.0

    @property
    def limit(self) -> int:
        """Requests at a time now."""
        return max(1, int(self._limit + 1e-6))

    def succeeded(self) -> None:
        """An answer came."""
        self._calm += 1
        self._limit = min(self._most, self._limit + self._step())

    def _step(self) -> float:
        if self._too_many is None:
            return 1.0
        room = self._too_many - 1 - self._limit
        if room > 0:
            return min(0.5, room)
        beyond = self._limit >= self._too_many + 1  # what was too many is so no longer
        return 1.0 / (self._limit * (1 if beyond else TRY_AFTER))

    def throttled(self, sent_at: float, under_way: int) -> None:
        """A 429.

        Args:
            sent_at: when its request was sent, by ``time.monotonic``.
            under_way: requests that were under way then, with it.
        """
        if sent_at < self._cut_at:
            return
        level = max(1.0, min(self._limit, under_way))
        known = self._too_many is not None and abs(level - self._too_many) <= 1
        tried = known and self._calm >= 2 * level
        self._limit = max(1.0, level - 1 if tried else level / 2)
        self._too_many = level
        self._calm = 0
        self._cut_at = time.monotonic()


class Breaker:
    """Ends calls to an endpoint that takes no more of ours, at once; pauses those to one that is down.

    Requests to an endpoint that has answered before wait until it is up again, at most ``patience`` seconds in
    all. One that never answered is not waited for.

    Args:
        patience: seconds.
    """

    def __init__(self, patience: float = 0.0) -> None:
        self._patience = patience
        self._final: CallError | None = None
        self._answered = False
        self._lost = 0
        self._down_since = 0.0
        self._until = 0.0

    def check(self) -> None:
        """Let a request through.

        Raises:
            CallError: it would come to nothing, or not yet to anything.
        """
        if self._final is not None:
            raise CallError(self._final.code, f"not asked any more: {self._final.reason}")
        if self._lost >= LOST_IN_A_ROW:
            now = time.monotonic()
            if now < self._until:
                raise CallError(
                    "unreachable",
                    f"not asked: {self._lost} requests in a row were lost with every attempt",
                    retry=self._answered and now - self._down_since < self._patience,
                    after=self._until - now,
                    sent=False,
                )
            self._until = now + PAUSE  # this one tries; the others wait for it

    def succeeded(self) -> None:
        """An answer came: it is up."""
        self._lost, self._answered = 0, True

    def gave_up(self, failure: CallError) -> None:
        """A request ended without an answer."""
        final: tuple[FailureCode, ...] = ("auth", "quota")
        if failure.code in final:
            self._final = self._final or failure
        elif failure.code in ("unreachable", "malformed") and failure.retry and failure.sent:
            self._lost += 1
            if self._lost == LOST_IN_A_ROW:
                self._down_since = time.monotonic()
            self._until = time.monotonic() + PAUSE


@dataclass
class _Line:
    """What belongs to one event loop."""

    client: AsyncOpenAI
    slots: anyio.CapacityLimiter
    users: int = 0


class Endpoint:
    """Shared by the stages of a process; each event loop has a client of its own.

    Args:
        url: address up to ``/v1``.
        key: sent with every request.
        timeout: seconds for one attempt.
        most: requests at a time.
        patience: seconds for which an endpoint that went down is waited for.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float,
        most: int,
        scrub: Scrubber,
        patience: float = 0.0,
    ) -> None:
        self.timeout = timeout
        self.breaker = Breaker(patience)
        self.concurrency = Concurrency(most)
        self._url, self._key, self._most = url, key, most
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line] = WeakKeyDictionary()
        if scrub:
            quiet = ScrubbedLogs(scrub)
            for name in LOGGERS:
                logging.getLogger(name).addFilter(quiet)

    def open(self) -> None:
        """One more user in this event loop."""
        self._line().users += 1

    async def close(self) -> None:
        """One user less; the last one takes the client along."""
        line = self._lines.get(asyncio.get_running_loop())
        if line is None:
            return
        line.users -= 1
        if line.users <= 0:
            del self._lines[asyncio.get_running_loop()]
            await line.client.close()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait until one more request may be under way."""
        slots = self._line().slots
        async with slots:
            try:
                yield
            finally:
                slots.total_tokens = self.concurrency.limit

    @property
    def under_way(self) -> int:
        """Requests that hold a slot now."""
        return self._line().slots.borrowed_tokens

    async def post(self, path: str, body: dict[str, object], within: float) -> bytes:
        """Send one request, once, and read the whole answer.

        Args:
            within: seconds.

        Raises:
            openai.OpenAIError, httpx2.TransportError, TimeoutError: as the client says it.
        """
        async with asyncio.timeout(within):
            response = await self._line().client.post(path, cast_to=httpx2.Response, body=body)
            return response.content

    async def get(self, path: str) -> bytes:
        """As :meth:`post`, for a page that is only read."""
        async with asyncio.timeout(self.timeout):
            response = await self._line().client.get(path, cast_to=httpx2.Response)
            return response.content

    def _line(self) -> _Line:
        loop = asyncio.get_running_loop()
        if loop not in self._lines:
            # The SDK's own HTTP client closes itself when it is collected, in whatever loop runs then.
            http = httpx2.AsyncClient(
                timeout=self.timeout, follow_redirects=True, limits=DEFAULT_CONNECTION_LIMITS
            )
            client = AsyncOpenAI(
                api_key=self._key,
                admin_api_key="",  # none is taken from the environment
                base_url=self._url,
                max_retries=0,
                timeout=self.timeout,
                http_client=http,
                # Said in so many words, no variable of the SDK replaces it.
                default_headers={"Authorization": f"Bearer {self._key}"},
            )
            if self._url != OPENAI:  # whose account it is, is for OpenAI alone
                client.organization = client.project = None
            self._lines[loop] = _Line(client, anyio.CapacityLimiter(self.concurrency.limit))
        return self._lines[loop]
