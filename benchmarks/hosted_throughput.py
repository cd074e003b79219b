"""Requests a second to a hosted model, against what the server's latency and concurrency allow.

A server in a process of its own answers every chat completion after a time drawn evenly from half to
one and a half of the latency. The plugin sends it requests that all differ, through the whole way: cache, ledger on disk, client, retries. Ideal is
concurrency / latency; the time to get up to speed (16 requests at a time at first, then twice as many
with every round) and the last requests, which run out one by one, are counted in. A second run allows the plugin four times as many requests as the
server takes, which answers the others with 429: there the plugin has to find the limit by itself.

    python benchmarks/hosted_throughput.py [--concurrency 16] [--latency 2.0] [--rounds 60]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from _machine import describe

from w2s_openai.config import OpenAIModelConfig
from w2s_openai.known import Known
from w2s_openai.model import OpenAIModel
from w2s_toolkit.calls import CallCache, Calls, Ledger
from w2s_toolkit.contracts import ChatRequest, ChatResult, Message
from w2s_toolkit.stages.context import StageContext

REPLY = {
    "object": "chat.completion",
    "model": "slow",
    "choices": [{"message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 1},
}
BUSY = {"error": {"message": "too many requests", "code": "rate_limit_exceeded"}}


def main() -> None:
    """Run both and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--concurrency", type=int, default=16, help="requests at a time")
    parser.add_argument("--latency", type=float, default=2.0, help="seconds for each")
    parser.add_argument("--rounds", type=int, default=60, help="requests for each of them")
    options = parser.parse_args()
    print(describe())
    print(
        f"a server that answers after {options.latency:g} s in the mean, {options.concurrency} requests at a time, "
        f"{options.rounds * options.concurrency} requests"
    )
    head = ("", "requests/s", "of ideal", "429", "most under way", "client CPU a request")
    print("{:<34}{:>12}{:>10}{:>7}{:>16}{:>23}".format(*head))
    _show("as many as allowed", options, sent=1)
    _show("up to four times as many as allowed", options, sent=4)


def _show(name: str, options: Any, sent: int) -> None:
    allowed = options.concurrency
    with _server(options.latency, allowed if sent > 1 else None) as (port, ask):
        number = options.rounds * allowed
        taken, cpu = _take(f"http://127.0.0.1:{port}/v1", sent * allowed, number)
        told = ask()
    rate = number / taken
    share = rate / (allowed / options.latency)
    print(
        f"{name:<34}{rate:>12.1f}{share:>10.1%}{told['refused']:>7}{told['most']:>16}"
        f"{1000 * cpu / number:>20.2f} ms"
    )


def _take(url: str, concurrency: int, number: int) -> tuple[float, float]:
    """Seconds on the clock and of this process's CPU for all requests."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["W2S_CACHE"] = folder
        config = OpenAIModelConfig(id="slow", base_url=url, max_concurrency=concurrency)
        Known(config.endpoint(), "slow", "", "max_tokens", 0, False, False).write()
        calls = Calls(cache=CallCache(root / "calls"), ledger=Ledger(root / "ledger.jsonl"))
        chat = OpenAIModel(config).chat(StageContext(out=root, scratch=root, calls=calls))
        requests = [ChatRequest((Message("user", f"Is {i} even?"),), 1) for i in range(number)]

        async def timed() -> tuple[float, float]:
            await chat.generate_many([ChatRequest((Message("user", "Hello?"),), 1)])  # connects
            started, cpu = time.perf_counter(), time.process_time()
            answers = await chat.generate_many(requests)
            taken = time.perf_counter() - started, time.process_time() - cpu
            assert all(isinstance(a, ChatResult) for a in answers)
            await chat.close()
            return taken

        taken = asyncio.run(timed())
        assert calls.ledger.total().calls == number + 1
    return taken


@contextlib.contextmanager
def _server(latency: float, allowed: int | None) -> Any:
    """Port of a server process, and a function that asks what it saw."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(latency, allowed, there), daemon=True
    )
    process.start()
    port = here.recv()

    def ask() -> Any:
        here.send("how was it")
        return here.recv()

    yield port, ask
    process.terminate()
    process.join()


def _serve(latency: float, allowed: int | None, pipe: Connection) -> None:
    asyncio.run(_Slow(latency, allowed).serve(pipe))


class _Slow:
    """Answers after ``latency`` seconds; beyond ``allowed`` requests at a time with 429."""

    def __init__(self, latency: float, allowed: int | None) -> None:
        self._latency, self._allowed = latency, allowed
        self._random = random.Random(0)
        self._under_way, self._seen = 0, {"refused": 0, "most": 0}

    async def serve(self, pipe: Connection) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        while True:
            await asyncio.sleep(0.05)
            if pipe.poll():
                pipe.recv()
                pipe.send(self._seen)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                await reader.readexactly(size)
                status, reply = await self._reply()
                content = json.dumps(reply).encode()
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(content)}\r\n\r\n".encode()
                    + content
                )
                await writer.drain()
        writer.close()

    async def _reply(self) -> tuple[int, Any]:
        if self._allowed is not None and self._under_way >= self._allowed:
            self._seen["refused"] += 1
            return 429, BUSY
        self._under_way += 1
        self._seen["most"] = max(self._seen["most"], self._under_way)
        try:
            await asyncio.sleep(self._latency * self._random.uniform(0.5, 1.5))
            return 200, REPLY
        finally:
            self._under_way -= 1


if __name__ == "__main__":
    main()
