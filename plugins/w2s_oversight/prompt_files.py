"""Prompts as files: found, checked, and filled in one pass.

A prompt is a text file. Lines ``=== system ===``, ``=== user ===`` and ``=== assistant ===`` begin a message;
a file without them is one message of the user. ``{field}`` is replaced once: what is inserted is
text, never a field or the beginning of a message. ``NAME.CHOICE.txt`` is used in place of ``NAME.txt`` where the
answer in question is CHOICE.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from w2s_toolkit.registry import suggestion

if TYPE_CHECKING:
    from w2s_toolkit.contracts import Message

OWN = Path(__file__).parent / "prompts"
"""Folder of the prompts that come with the protocols, a folder each."""

COMMON = "common"
"""The folder of those that all share."""

FIELDS = frozenset(
    "prompt question choices text passage answer other name names request transcript evidence turns round "
    "begin end labels shots".split()
)
"""What a prompt may name; what does not apply to it is empty."""

_FIELD = re.compile(r"\{([a-z_]+)\}")
_HEAD = re.compile(r"^=== (system|user|assistant) ===\n", re.MULTILINE)

Role = Literal["system", "user", "assistant"]


class Part(NamedTuple):
    """One message of a prompt, before its fields are filled in."""

    role: Role
    template: str


def fill(template: str, values: Mapping[str, str]) -> str:
    """``template`` with its fields replaced, in one pass; other text in braces stays as it is."""

    def value(found: re.Match[str]) -> str:
        return values.get(found[1], "") if found[1] in FIELDS else found[0]

    return _FIELD.sub(value, template)


def slug(choice: str) -> str:
    """A choice as part of a file name: lower case, other than letters and digits as one hyphen."""
    return re.sub(r"[^a-z0-9]+", "-", choice.casefold()).strip("-")


@cache
def _parts(path: Path) -> tuple[Part, ...]:
    text = path.read_text(encoding="utf-8").strip("\n")
    pieces = _HEAD.split(text)
    if len(pieces) == 1:
        return (Part("user", text),)
    roles, bodies = pieces[1::2], pieces[2::2]
    return tuple(
        Part(cast(Role, role), body.strip("\n")) for role, body in zip(roles, bodies, strict=True)
    )


class Prompts:
    """The prompts of one component.

    Args:
        folder: of the user's own, or None.
        prompt_set: name of the set that stands in for what is not there.
    """

    def __init__(self, folder: str | None, prompt_set: str) -> None:
        given = [] if folder is None else [Path(folder)]
        self._folders = [*given, OWN / prompt_set, OWN / COMMON]

    def find(self, name: str, choice: str = "") -> Path:
        """The file of a prompt: the user's before the component's, one for the choice before one for all."""
        for folder in self._folders:
            for file in (f"{name}.{slug(choice)}.txt", f"{name}.txt"):
                if (folder / file).is_file():
                    return folder / file
        raise AssertionError(f"the component has no prompt {name}")

    def messages(
        self, name: str, values: Mapping[str, str], choice: str = ""
    ) -> tuple[Message, ...]:
        """The messages of a prompt. Those of the system that end up empty are left out."""
        from w2s_toolkit.contracts import (
            Message,  # configs are checked without numpy, which it needs
        )

        parts = [(p.role, fill(p.template, values)) for p in _parts(self.find(name, choice))]
        return tuple(Message(role, text) for role, text in parts if text or role != "system")

    def text(self, name: str, values: Mapping[str, str], choice: str = "") -> str:
        """A prompt that is a piece of text, not a chat."""
        return fill(_parts(self.find(name, choice))[0].template, values)


def sets() -> tuple[str, ...]:
    """The components that have prompts of their own."""
    return tuple(sorted(path.name for path in OWN.iterdir() if path.name != COMMON))


def problems(folder: Path, *prompt_sets: str) -> list[str]:
    """What is wrong with a folder of prompts of one of these components, for ``w2s validate``."""
    if not folder.is_dir():
        return [f"prompts: {folder} is not a folder; next: name the folder that holds the prompts"]
    own = [path for name in (*prompt_sets, COMMON) for path in (OWN / name).glob("*.txt")]
    known = {path.name.split(".")[0] for path in own}
    whose = " or ".join(prompt_sets)
    found = []
    for path in sorted(folder.glob("*.txt")):
        name = path.name.split(".")[0]
        others = [other for other in sets() if (OWN / other / f"{name}.txt").is_file()]
        if name not in known and others:
            found.append(
                f"prompts: {path.name} is a prompt of {' and '.join(others)}, not of {whose}; next: give each "
                "component a folder of its own"
            )
            continue
        if name not in known:
            found.append(
                f"prompts: {path.name} is no prompt of {whose}{suggestion(name, known)}; next: it "
                f"has {', '.join(sorted(known))}"
            )
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            found.append(f"prompts: {path.name} cannot be read as UTF-8 text")
            continue
        if not text.strip():
            found.append(f"prompts: {path.name} is empty; next: delete it, or write a prompt")
        for field in sorted(set(_FIELD.findall(text)) - FIELDS):
            found.append(
                f"prompts: {path.name} names a field {{{field}}} that does not exist"
                f"{suggestion(field, FIELDS)}"
            )
    return found
