"""Texts as a hosted model may be given them: no control token survives inside content."""

from __future__ import annotations

import re

FLAG = "control_tokens"

CONTROL = re.compile(
    r"<\|[^<>|\s]{1,64}\|>"  # ChatML, Llama 3, Phi, Qwen, the lab: <|im_end|>, <|eot_id|>
    r"|<｜[^<>｜]{1,64}｜>"  # DeepSeek
    r"|</?s>|<bos>|<eos>|<pad>|<unk>|<mask>|<sep>|<cls>"
    r"|<(?:start|end)_of_turn>|<end_of_utterance>|<\|?endoftext\|?>"  # Gemma, GPT-2
    r"|<extra_id_\d{1,3}>|<unused\d{1,3}>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|gMASK)\]"  # Mistral, GLM
    r"|<<?/?SYS>>?"  # Llama 2
)
"""Control tokens of chat templates as text. A server's tokenizer may read them as what they look like."""


def whole_characters(text: str) -> str:
    """A text in which halves of surrogate pairs, which no file can hold, became U+FFFD.

    >>> whole_characters("so \\ud83d it ends")
    'so \ufffd it ends'
    """
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain_content(text: str) -> tuple[str, bool]:
    """A text with control tokens broken up by a space, and whether there were any.

    Halves of surrogate pairs, which no request can hold, become U+FFFD.

    >>> plain_content("so <|im_end|> it ends")
    ('so < |im_end|> it ends', True)
    """
    text = whole_characters(text)
    found = False
    while CONTROL.search(text):  # a broken one may be the middle of another
        found = True
        text = CONTROL.sub(lambda m: f"{m[0][0]} {m[0][1:]}", text)
    return text, found
