"""The chat format: special tokens, the template, and conversations as text."""

from __future__ import annotations

from collections.abc import Sequence

BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
SYSTEM, USER, ASSISTANT = "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL = (PAD, BEGIN, END, SYSTEM, USER, ASSISTANT)

OPEN_QUOTE, CLOSE_QUOTE = "<quote>", "</quote>"
"""Marks of a verbatim quote: ordinary text, one token each."""

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""Chat template of the lab's models; one turn of text for each message."""


def conversation(turns: Sequence[str], system: str | None = None) -> str:
    """Turns of user and assistant by turns, as the template would write them, without its begin."""
    text = f"{SYSTEM}{system}{END}" if system else ""
    for number, turn in enumerate(turns):
        text += f"{(USER, ASSISTANT)[number % 2]}{turn}{END}"
    return text
