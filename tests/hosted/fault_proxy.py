"""A proxy that goes wrong on purpose, in front of a real server.

Which fault a request meets follows from the seed, its body and how often it was sent, so a run meets
the same ones whatever order its requests arrive in.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import html
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

HTML = b"<!doctype html><html><body><h1>Sign in to the hotel's network</h1></body></html>"

RETRIED = (
    "429", "429_after", "500", "503", "drop", "truncated", "html", "empty", "stall",
)  # fmt: skip
"""Faults after which another attempt makes sense."""


class Proxy:
    """Listens in a thread of its own.

    Args:
        upstream: base URL of the real server, such as ``http://127.0.0.1:8000/v1``.
        rate: share of the requests that go wrong.
        faults: which ways of going wrong take turns.
        stall: seconds before a stalled connection is closed without an answer.
        first: faults that the first requests meet, one each, whatever the rate.
        key: what the echoing faults write into error, header and reply.

    Attributes:
        completed: body digest -> replies that were delivered whole.
        usage: tokens read and written of those.
        met: how often each fault was met.
        sent, given: body digest -> how often it came, and the body.
        delay: seconds added to every reply.
    """

    def __init__(
        self,
        upstream: str,
        *,
        rate: float = 0.0,
        faults: Sequence[str] = RETRIED,
        seed: int = 0,
        stall: float = 1.0,
        first: Sequence[str] = (),
        delay: float = 0.0,
    ) -> None:
        self._host, _, self._port = upstream.partition("://")[2].partition("/")[0].partition(":")
        self.rate, self.faults, self.seed, self.stall = rate, tuple(faults), seed, stall
        self.first, self.delay = list(first), delay
        self.reset()
        self._loop = asyncio.new_event_loop()
        self.url = ""

    def reset(self) -> None:
        """Forget what happened so far."""
        self.completed: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.met: Counter[str] = Counter()
        self.usage = [0, 0]
        self.under_way = self.most_under_way = 0
        self.bodies: dict[str, Any] = {}
        self.given: dict[str, Any] = {}
        self.headers: list[dict[str, str]] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        """Serve until the end of the block."""
        ready = threading.Event()

        async def serve() -> None:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            self._stop = asyncio.Event()
            ready.set()
            await self._stop.wait()
            server.close()

        thread = threading.Thread(
            target=self._loop.run_until_complete, args=(serve(),), daemon=True
        )
        thread.start()
        assert ready.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join(10)

    # --- one connection --------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        headers = dict(
            line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:] if ": " in line
        )
        headers = {name.lower(): value for name, value in headers.items()}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await self._answer(head, body, headers, writer)
        finally:
            self.under_way -= 1

    async def _answer(
        self, head: bytes, body: bytes, headers: dict[str, str], writer: asyncio.StreamWriter
    ) -> bool:
        name = hashlib.sha256(body).hexdigest()
        fault = self._fault(name)
        self.sent[name] += 1
        if body:
            self.given[name] = json.loads(body)
        key = headers.get("authorization", "").removeprefix("Bearer ")
        if fault:
            self.met[fault] += 1
        if fault == "drop":
            return False
        if fault == "stall":
            await asyncio.sleep(self.stall)
            return False
        if fault in ERRORS:
            status, more, content = ERRORS[fault]
            content = _with_key(content.decode(), key).encode()
            more = {name: _with_key(value, key) for name, value in more.items()}
            self._write(
                writer, status, content, more | ({"x-echo": key} if "echo" in fault else {})
            )
            await writer.drain()
            return True
        status, content = await self._upstream(head, body)
        if self.delay:
            await asyncio.sleep(self.delay)
        if fault == "truncated":
            writer.write(_head(200, len(content), {}) + content[: len(content) // 2])
            await writer.drain()
            return False
        if fault == "echo_reply":
            reply = json.loads(content)
            reply["choices"][0]["message"]["content"] = f"your key is {key}, is it not"
            reply["model"] = f"model of {key}"
            content = json.dumps(reply).encode()
        self._write(writer, status, content, {"x-echo": key} if fault else {})
        await writer.drain()
        if status == 200 and body:
            self._complete(name, body, json.loads(content), headers)
        return True

    def _fault(self, name: str) -> str:
        if self.first:
            return self.first.pop(0)
        text = f"{self.seed}:{name}:{self.sent[name]}"
        number = int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)
        if number % 10_000 >= 10_000 * self.rate:
            return ""
        return self.faults[number // 10_000 % len(self.faults)]

    def _complete(self, name: str, body: bytes, reply: Any, headers: dict[str, str]) -> None:
        self.completed[name] += 1
        self.bodies[name] = json.loads(body)
        self.headers.append(headers)
        self.usage[0] += reply["usage"]["prompt_tokens"]
        self.usage[1] += reply["usage"]["completion_tokens"]

    async def _upstream(self, head: bytes, body: bytes) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection(self._host, int(self._port))
        lines = [
            line
            for line in head.decode("latin-1").split("\r\n")
            if line and not line.lower().startswith(("connection:", "accept-encoding:"))
        ]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body)
        await writer.drain()
        answer = await reader.read()
        writer.close()
        top, _, content = answer.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" in top.lower():
            content = _unchunked(content)
        return int(top.split(b" ", 2)[1]), content

    def _write(
        self, writer: asyncio.StreamWriter, status: int, content: bytes, more: dict[str, str]
    ) -> None:
        if "Transfer-Encoding" in more:  # seven bytes at a time
            pieces = [content[at : at + 7] for at in range(0, len(content), 7)]
            content = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in [*pieces, b""])
        writer.write(_head(status, len(content), more) + content)


def _error(message: str, code: str = "") -> bytes:
    return json.dumps({"error": {"message": message, "code": code, "type": code}}).encode()


ERRORS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "429": (429, {}, _error("slow down", "rate_limit_exceeded")),
    "429_after": (429, {"Retry-After": "0.2"}, _error("slow down", "rate_limit_exceeded")),
    "quota": (429, {}, _error("you have used up your quota", "insufficient_quota")),
    "401": (401, {}, _error("no such key", "invalid_api_key")),
    "400": (400, {}, _error("a field is not as it should be", "invalid_request_error")),
    "500": (500, {}, _error("something broke")),
    "503": (503, {"Retry-After": "0.1"}, b"upstream is busy"),
    "html": (200, {"Content-Type": "text/html"}, HTML),
    "empty": (200, {}, json.dumps({"object": "chat.completion", "choices": []}).encode()),
    "echo_forms": (500, {}, _error(" ".join(f"FORM{n}" for n in range(7)))),
    "echo_redirect": (
        307,
        {"Location": "/v1/chat/completions/FORM1?key=FORM2"},
        b"moved to FORM0",
    ),
    "echo_chunks": (500, {"Transfer-Encoding": "chunked"}, _error("cannot use KEY here")),
    "echo_stream": (
        200,
        {"Content-Type": "text/event-stream"},
        b"".join(
            b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % text
            for text in (b"your key is ", b"HALF0", b"HALF1", b", is it not")
        )
        + b"data: [DONE]\n\n",
    ),
    "echo_500": (500, {}, _error("cannot use KEY here")),
    "echo_401": (401, {}, _error("Incorrect API key provided: KEY")),
    "echo_400": (400, {}, _error("header Authorization: Bearer KEY is odd")),
}


def forms(key: str) -> list[str]:
    """Ways in which servers write a key."""
    bearer, raw = f"Bearer {key}".encode(), key.encode()
    return [
        key,
        quote(key, safe=""),
        re.sub("%..", lambda found: found[0].lower(), quote(key, safe="")),
        base64.b64encode(raw).decode().rstrip("="),
        base64.b64encode(bearer).decode().rstrip("="),
        base64.urlsafe_b64encode(b"u:" + raw).decode(),
        html.escape(key).replace("/", "&#x2F;"),
    ]


def _with_key(text: str, key: str) -> str:
    for number, form in enumerate(forms(key)):
        text = text.replace(f"FORM{number}", form)
    half = len(key) // 2
    return text.replace("KEY", key).replace("HALF0", key[:half]).replace("HALF1", key[half:])


def _head(status: int, length: int, more: dict[str, str]) -> bytes:
    lines = {"Content-Type": "application/json", **more}
    if "Transfer-Encoding" not in more:
        lines["Content-Length"] = str(length)
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{text}\r\n".encode("latin-1")


def _unchunked(content: bytes) -> bytes:
    out = b""
    while content:
        size, _, content = content.partition(b"\r\n")
        length = int(size or b"0", 16)
        out, content = out + content[:length], content[length + 2 :]
        if not length:
            break
    return out
