"""Answers of servers that send a stream of events although none was asked for."""

from __future__ import annotations

import json
from typing import Any


def is_stream(content: bytes) -> bool:
    """Whether a body is server-sent events."""
    return content.lstrip()[:6].startswith((b"data:", b"event:", b": "))


def joined(content: bytes) -> dict[str, Any]:
    """The pieces of a streamed completion as the completion they make up.

    Raises:
        ValueError: a piece is no JSON, or the stream broke off before its end.
    """
    text, head, finish, usage = "", dict[str, Any](), None, None
    lines = [line[5:].strip() for line in content.splitlines() if line.startswith(b"data:")]
    done = b"[DONE]" in lines
    pieces = [json.loads(line) for line in lines if line not in (b"", b"[DONE]")]
    for piece in (p for p in pieces if isinstance(p, dict)):
        head |= {name: piece[name] for name in ("model", "error") if piece.get(name)}
        usage = piece.get("usage") or usage
        choices = piece.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else {}
        if isinstance(first, dict):
            delta = first.get("delta")
            said = delta.get("content") if isinstance(delta, dict) else None
            text += said if isinstance(said, str) else ""
            finish = first.get("finish_reason") or finish
    if "error" in head:
        return {**head, "usage": usage}
    if finish is None and not done:
        raise ValueError("the stream broke off")
    choice = {"message": {"content": text}, "finish_reason": finish}
    return {**head, "usage": usage, "choices": [choice]}
