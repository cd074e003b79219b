"""Chats as token ids, with content that can never become a control token.

A chat template is rendered with placeholders where the contents go. What lies between them is the
template's own text and may hold control tokens; each content is encoded by itself, with the texts of
control tokens taken apart (``<|im_end|>`` in a content is some ordinary tokens). The two are then joined
as ids. Where text and template would have melted into one token they stay two.

A model without a chat template reads::

    {system}

    User: {user}
    Assistant: {assistant}
    User: {user}
    Assistant:

and what it writes ends at the next ``User:``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jinja2

from w2s_hf.choice_scores import beginning
from w2s_hf.quiet import quiet
from w2s_toolkit.contracts import Message
from w2s_toolkit.errors import ModelError

PLAIN_STOP = "\nUser:"
"""Ends an answer of a model without a chat template."""

CONTROL_TOKENS = "control_tokens"
"""Flag of a request whose content held the text of a control token."""

_PLACE = re.compile("\ue000(\\d+)\ue001")


class Encoded(NamedTuple):
    """Ids of a whole prompt, and remarks on it."""

    ids: list[int]
    flags: tuple[str, ...]


class ChatText:
    """Encodes chats for one tokenizer.

    Args:
        tokenizer: of transformers.
        name: of the model, for messages.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:
        self._tokenizer, self._name = tokenizer, name
        self._specials = [str(token) for token in tokenizer.all_special_tokens if token]
        self._special_ids = {int(i) for i in tokenizer.all_special_ids if i is not None}
        self._frames: dict[tuple[str, ...], list[list[int] | int]] = {}
        self.plain = not tokenizer.chat_template

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts that end every answer."""
        return (PLAIN_STOP,) if self.plain else ()

    def prompt(self, messages: Sequence[Message]) -> Encoded:
        """Ids up to where the answer begins.

        Raises:
            ModelError: the model's template does not take these messages.
        """
        contents = [message.content for message in messages]
        roles = tuple(message.role for message in messages)
        if roles[:1] == ("system",) and not self._takes(roles):
            # Some templates know no system role; what it says then opens what the user says.
            contents = ["\n\n".join(contents[:2]), *contents[2:]]
            roles = roles[1:] or ("user",)
        ids: list[int] = []
        for part in self._frame(roles):
            ids += self.content(contents[part]) if isinstance(part, int) else part
        held = any(token in content for token in self._specials for content in contents)
        return Encoded(ids, (CONTROL_TOKENS,) if held else ())

    def answer(self, text: str) -> list[int]:
        """Ids of a text as the beginning of the answer."""
        return self.content(f" {text}" if self.plain else text)

    def content(self, text: str) -> list[int]:
        """Ids of a text, none of which is a control token."""
        ids = self._encode(text)
        for token in self._specials:
            if self._special_ids.isdisjoint(ids):
                return ids
            # A tokenizer that cannot take control tokens apart is given them in two pieces.
            text = text.replace(token, f"{token[:1]} {token[1:]}")
            ids = self._encode(text)
        return [one for one in ids if one not in self._special_ids]

    def _encode(self, text: str) -> list[int]:
        with quiet():
            found: list[int] = self._tokenizer(
                text, add_special_tokens=False, split_special_tokens=True
            )["input_ids"]
        return found

    def _takes(self, roles: tuple[str, ...]) -> bool:
        try:
            self._frame(roles)
        except ModelError:
            return False
        return True

    def _frame(self, roles: tuple[str, ...]) -> list[list[int] | int]:
        """The template's own pieces as ids, and between them the numbers of contents."""
        if roles not in self._frames:
            marks = [f"\ue000{number}\ue001" for number in range(len(roles))]
            text = self._plain(roles, marks) if self.plain else self._rendered(roles, marks)
            pieces = _PLACE.split(text)
            shown = {int(number) for number in pieces[1::2]}
            if shown != set(range(len(roles))):
                raise ModelError(
                    f"the chat template of {self._name!r} leaves out a message of {list(roles)}",
                    next_step="use prompts with a system message and a user message at most",
                )
            frame: list[list[int] | int] = []
            for number, piece in enumerate(pieces):
                if number % 2:
                    frame.append(int(piece))
                elif piece:
                    with quiet():
                        ids = self._tokenizer(piece, add_special_tokens=False)["input_ids"]
                    frame.append(list(ids))
            self._frames[roles] = [beginning(self._tokenizer), *frame] if self.plain else frame
        return self._frames[roles]

    def _rendered(self, roles: tuple[str, ...], contents: Sequence[str]) -> str:
        chat = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=True)]
        try:
            text = self._tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=True
            )
        except (jinja2.TemplateError, ValueError, TypeError, KeyError) as error:
            raise ModelError(
                f"the chat template of {self._name!r} refuses messages of {list(roles)}: {error}",
                next_step="use prompts with a system message and a user message at most",
            ) from error
        return str(text)

    def _plain(self, roles: tuple[str, ...], contents: Sequence[str]) -> str:
        parts = []
        for role, content in zip(roles, contents, strict=True):
            heads = {"system": "{}\n\n", "user": "User: {}\n", "assistant": "Assistant: {}\n"}
            parts.append(heads[role].format(content))
        return f"{''.join(parts)}Assistant:"
