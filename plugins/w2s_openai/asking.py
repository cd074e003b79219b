"""One request from the cache or the server: reserved, sent, tried again, settled, kept."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_random_exponential,
)

from w2s_openai.config import OpenAIModelConfig
from w2s_openai.endpoint import Endpoint
from w2s_openai.failures import CallError, failed
from w2s_openai.replies import MalformedError, Reply, read_reply
from w2s_toolkit.calls import Call, Calls, Price
from w2s_toolkit.contracts import ChatUsage
from w2s_toolkit.errors import W2SError

PATH = "/chat/completions"

LOOK_AGAIN = 0.25
"""Seconds after which a request that waits for the budget looks again, if nothing woke it."""

PER_MESSAGE = 8
"""Tokens that a message costs beside its content, for estimates."""

Keep = Callable[[Reply], bool]


@dataclass(frozen=True, slots=True)
class Asked:
    """How a request ended: with a reply, or with a failure."""

    reply: Reply | None
    failure: CallError | None
    attempts: int
    hit: bool = False


class _Patience:
    """How long one request is tried: what was refused for coming too fast is no lost attempt."""

    def __init__(self, config: OpenAIModelConfig) -> None:
        self._config = config
        self._until: float | None = None
        self._last: CallError | None = None
        # With less time than this no answer is waited for.
        self._least = min(1.0, config.max_elapsed_s / 4)
        self.sent = self.lost = 0

    def check(self) -> None:
        """Whether there is time for another attempt, after what it waited for its turn.

        Raises:
            CallError: that of the last attempt.
        """
        if self._last is not None and self._late(0.0):
            raise self._last

    def begin(self) -> float:
        """An attempt is sent now; the seconds that it may take."""
        self.sent += 1
        now = time.monotonic()
        if self._until is None:  # what it waited for its turn does not count
            self._until = now + self._config.max_elapsed_s
        return max(0.001, min(self._config.timeout_s, self._until - now))

    def used_up(self, state: RetryCallState) -> bool:
        """Whether to give up instead of waiting."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, CallError) and error.sent:
            self._last = error
            self.lost += not error.throttled
        return self._late(state.upcoming_sleep) or self.lost >= self._config.max_attempts

    def _late(self, wait: float) -> bool:
        return self._until is not None and time.monotonic() + wait + self._least >= self._until


class Asker:
    """Asks one model of one endpoint, for one stage."""

    def __init__(
        self, config: OpenAIModelConfig, endpoint: Endpoint, calls: Calls, price: Price | None
    ) -> None:
        self._config, self._endpoint = config, endpoint
        self._calls, self._price = calls, price
        self._place = calls.place(config.called())
        self._under_way: dict[str, asyncio.Future[Asked]] = {}
        self._freed = asyncio.Event()
        self._tokens_per_byte, self._hidden_tokens = 1 / 3, 0

    async def ask(self, call: Call, most: int, keep: Keep) -> Asked:
        """An answer; never raises but for cancellation and a store that cannot be written.

        Args:
            most: tokens that may be written.
            keep: whether a reply is to be kept, and found again.
        """
        known = self._from_cache(call, keep)
        if known is not None:
            return Asked(known, None, 0, hit=True)
        if call.key in self._under_way:  # the same question twice at a time is asked once
            first = await asyncio.shield(self._under_way[call.key])
            return Asked(first.reply, first.failure, 0, hit=first.reply is not None)
        future: asyncio.Future[Asked] = asyncio.get_running_loop().create_future()
        self._under_way[call.key] = future
        try:
            asked = await self._ask(call, most, keep)
            future.set_result(asked)
        except Exception as error:  # a store that cannot be written: the others are told so too
            future.set_exception(error)
            future.exception()  # it may be that nobody else asks
            raise
        except BaseException:
            future.cancel()
            raise
        finally:
            del self._under_way[call.key]
        return asked

    def _from_cache(self, call: Call, keep: Keep) -> Reply | None:
        raw = self._calls.cache.get(call.key)
        try:
            found = None if raw is None else Reply.from_json(raw)
        except (KeyError, TypeError, ValueError):
            return None
        return found if found is not None and keep(found) else None

    async def _ask(self, call: Call, most: int, keep: Keep) -> Asked:
        patience = _Patience(self._config)
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda e: isinstance(e, CallError) and e.retry),
            wait=self._wait,
            stop=patience.used_up,
            sleep=asyncio.sleep,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    reply = await self._attempt(call, most, keep, patience)
                    self._endpoint.breaker.succeeded()
                    return Asked(reply, None, patience.sent)
        except CallError as failure:
            self._endpoint.breaker.gave_up(failure)
            return Asked(None, failure, patience.sent)
        raise AssertionError("an attempt ends in a reply or in an error")

    def _wait(self, state: RetryCallState) -> float:
        """What the server asks for if that is not too long, else ever longer random times.

        A little more than it asks for, and not all the same, or those that were refused together would come
        back together.
        """
        error = state.outcome.exception() if state.outcome else None
        after = error.after if isinstance(error, CallError) else None
        if after and after <= self._config.max_wait_s:
            return after + random.uniform(0, min(1.0, after / 4))
        grown = wait_random_exponential(multiplier=0.5, max=self._config.max_wait_s)
        return grown(state)

    async def _attempt(self, call: Call, most: int, keep: Keep, patience: _Patience) -> Reply:
        """Send it once, with the ledger told before and after.

        Raises:
            CallError: there is no answer.
        """
        endpoint = self._endpoint
        async with endpoint.slot():
            endpoint.breaker.check()
            patience.check()
            reservation = await self._reserve(call, most)
            sent_at, under_way = time.monotonic(), endpoint.under_way
            within = patience.begin()
            settled = False
            try:
                reply = read_reply(await endpoint.post(PATH, call.body, within))
                endpoint.concurrency.succeeded()
                if keep(reply):  # before the ledger is told: a kill between the two costs no answer
                    reply = Reply.from_json(self._calls.cache.put(call.key, reply.to_json()))
                settled = self._settle(reservation, call, reply.usage)
                return reply
            except W2SError:  # the ledger cannot be written: nothing more may be asked
                raise
            except Exception as error:
                usage = error.usage if isinstance(error, MalformedError) else None
                settled = self._settle(reservation, call, usage)
                failure = failed(error, within, self._calls.scrub)
                if failure.throttled:
                    endpoint.concurrency.throttled(sent_at, under_way)
                if not settled and not failure.maybe_paid:
                    self._calls.ledger.release(reservation)
                    settled = True
                raise failure from None
            finally:
                if not settled:
                    self._calls.ledger.leave_standing(reservation)
                self._freed.set()
                self._freed = asyncio.Event()

    # --- the ledger ------------------------------------------------------------------------------

    async def _reserve(self, call: Call, most: int) -> str:
        """Put aside what it may cost; waits for calls under way, which may cost less than reserved.

        Raises:
            CallError: the budget does not hold it.
        """
        ledger = self._calls.ledger
        read = self._estimate(call)
        usd = self._price.usd(read, most) if self._price else None
        while True:
            name = ledger.reserve(self._place, tokens=read + most, usd=usd)
            if name is not None:
                return name
            if not ledger.waiting_for:
                raise CallError("budget", "the recipe's budget does not hold another call")
            freed = self._freed
            try:
                await asyncio.wait_for(freed.wait(), LOOK_AGAIN)
            except TimeoutError:
                continue

    def _estimate(self, call: Call) -> int:
        """Tokens that it reads, rather too many; learns from what servers tell."""
        size = len(call.text.encode("utf-8", "replace"))
        messages = call.text.count('"role"')
        return round(self._tokens_per_byte * size) + PER_MESSAGE * messages + self._hidden_tokens

    def _settle(self, reservation: str, call: Call, usage: ChatUsage | None) -> bool:
        if usage is None:
            return False
        size = len(call.text.encode("utf-8", "replace"))
        # No token is shorter than a byte: what is beyond is put before every prompt by the server.
        self._tokens_per_byte = max(self._tokens_per_byte, min(1.0, usage.prompt_tokens / size))
        self._hidden_tokens = max(self._hidden_tokens, usage.prompt_tokens - size)
        usd = self._price.usd(usage.prompt_tokens, usage.completion_tokens) if self._price else None
        self._calls.ledger.settle(
            reservation,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            usd=usd,
        )
        return True
