"""Config models of the tasks. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from w2s_tasks.columns import did_you_mean
from w2s_tasks.files import Files, digest_files, find_files, usual_feeds
from w2s_tasks.revision import resolve_revision
from w2s_tasks.template import parse_template
from w2s_toolkit.config import ComponentConfig, Digest, InputPath
from w2s_toolkit.errors import DataError

HUB_SPLITS = ("train", "validation", "test")


class HubSetConfig(ComponentConfig):
    """A data set of the hub, or a local copy of it in the same columns."""

    hub_id: ClassVar[str]

    path: InputPath | None = Field(
        None,
        description="Folder with train, validation and test as .jsonl, .csv or .parquet in the "
        "hub's columns, read instead of the hub.",
    )
    revision: str | None = Field(None, description="Branch, tag or commit of the hub data set.")

    def check(self) -> list[str]:
        """Problems that need no look at the data."""
        if self.path is None or self.revision is None:
            return []
        return ["`revision` is for the hub; leave it out beside `path`"]

    def files(self) -> Files:
        """The files of the local copy.

        Raises:
            DataError: the folder has no split that can be read.
        """
        return find_files(self.path or "", only=HUB_SPLITS)

    def key_parts(self, digest: Digest) -> dict[str, Any]:
        """The split files by content, or the hub's commit; moving the folder changes nothing."""
        parts = super().key_parts(lambda path: "")
        del parts["path"], parts["revision"]
        if self.path is not None:
            return {**parts, "files": digest_files(self.files(), digest)}
        return {**parts, "hub": [self.hub_id, resolve_revision(self.hub_id, self.revision)]}


class Sst2Config(HubSetConfig):
    """``use: sst2``."""

    hub_id: ClassVar[str] = "stanfordnlp/sst2"


class SciqConfig(HubSetConfig):
    """``use: sciq``."""

    hub_id: ClassVar[str] = "allenai/sciq"

    form: Literal["pairs", "choice", "write"] = Field(
        "pairs",
        description="pairs: a right and a wrong candidate a question, each to be judged; "
        "choice: pick one of four; write: the answer is to be written.",
    )
    with_support: bool = Field(False, description="Put the supporting passage before the question.")
    candidate_seed: int = Field(
        0, ge=0, description="Which distractor is drawn, and the order of the choices."
    )


class TableConfig(ComponentConfig):
    """``use: table``: labelled rows of your own."""

    path: InputPath | dict[str, InputPath] | None = Field(
        None, description="A file, a folder, or a mapping from source split to file."
    )
    id: str | None = Field(None, description="A data set of the hub instead of files.")
    config: str | None = Field(None, description="Its configuration.")
    revision: str | None = Field(None, description="Its branch, tag or commit.")
    template: str = Field(description='What a model reads: "Q: {question} A: {answer}".')
    choices: tuple[str, ...] | None = Field(
        None, min_length=2, description="Class names, in order; left out where answers are written."
    )
    answer: str | None = Field(
        None,
        description="Column or template of the answer that is to be written, in place of choices.",
    )
    label: str = Field("label", description="Column with the class: code from 0, or name.")
    better: str | None = Field(
        None,
        description="Column of the better of two texts, in place of `label`. The template shows both as {first} "
        "and {second}, in an order drawn from the texts; the first of two `choices` says that {first} is better.",
    )
    worse: str | None = Field(None, description="Column of the worse one.")
    label_map: dict[str | int | bool, str] | None = Field(
        None, description="Class name for each value of the label column."
    )
    group: str | None = Field(
        None, description="Column or template that ties rows together; the prompt if left out."
    )
    id_column: str | None = Field(None, description="Column with ids of its own.")
    question: str = Field("", description="The question, for models that are asked.")
    feeds: dict[str, str] | None = Field(
        None, description='Recipe split -> source split it is drawn from; "*" is all others.'
    )

    def check(self) -> list[str]:
        """Problems that need no look at the data."""
        problems = []
        if (self.path in (None, {})) == (self.id is None):
            problems.append("give either `path` (your files) or `id` (a hub data set)")
        if self.id is None and (self.config or self.revision):
            problems.append("`config` and `revision` go with `id`, not with `path`")
        if (self.choices is None) == (self.answer is None):
            problems.append(
                "give either `choices` (answers are classes) or `answer` (answers are written)"
            )
        if (self.better is None) != (self.worse is None):
            problems.append("give both `better` and `worse`, or neither")
        if self.better is not None and (len(self.choices or ()) != 2 or self.label_map is not None):
            problems.append("`better` and `worse` go with two `choices`, and without `label_map`")
        if self.answer is not None and self.label_map is not None:
            problems.append("`label_map` is for classes; leave it out beside `answer`")
        for name in ("template", "group", "answer"):
            problems += _template_problems(name, getattr(self, name))
        if not problems and not parse_template(self.template).columns:
            problems.append("`template` names no column: write one as {column}")
        if self.choices is not None:
            problems += _choice_problems(self.choices, self.label_map)
        return problems

    def files(self) -> Files:
        """The local files.

        Raises:
            DataError: a file is missing or cannot be read as a table.
        """
        return find_files(self.path or {})

    def feeding(self, sources: Mapping[str, object]) -> dict[str, str]:
        """Recipe split -> source: ``feeds``, and what it leaves open by the usual names.

        Raises:
            DataError: ``feeds`` names a source that does not exist, or is left out where no
                source has a usual name.
        """
        if (
            "*" not in (self.feeds or {})
            and len(sources) > 1
            and not set(HUB_SPLITS) & set(sources)
        ):
            raise DataError(
                f"which of {', '.join(sorted(sources))} to read is not clear from their names",
                where="task.feeds",
                next_step=f'say it: feeds: {{"*": {min(sources)}}}',
            )
        for split, source in (self.feeds or {}).items():
            if source not in sources:
                raise DataError(
                    f"{split!r} is to be drawn from {source!r}, but the data has "
                    f"{', '.join(sorted(sources))}{did_you_mean(source, sources)}",
                    where="task.feeds",
                    next_step="name one of these, or leave `feeds` out",
                )
        feeds = self.feeds or {}
        return dict(feeds) if "*" in feeds else {**usual_feeds(sources), **feeds}

    def key_parts(self, digest: Digest) -> dict[str, Any]:
        """Files that are read by content, or the hub's commit; moving files changes nothing."""
        parts = super().key_parts(lambda path: "")
        del parts["path"], parts["id"], parts["revision"]
        if (
            self.better is None and self.worse is None
        ):  # other rows are what they were before there were pairs
            del parts["better"], parts["worse"]
        if self.id is not None:
            return {**parts, "hub": [self.id, resolve_revision(self.id, self.revision)]}
        files = self.files()
        feeds = self.feeding(files)
        read = {source: some for source, some in files.items() if source in feeds.values()}
        return {**parts, "feeds": feeds, "files": digest_files(read, digest)}


def _template_problems(name: str, text: str | None) -> list[str]:
    try:
        parse_template(text or "")
    except ValueError as error:
        return [f"`{name}`: {error}"]
    return []


def _choice_problems(
    choices: tuple[str, ...], label_map: Mapping[str | int | bool, str] | None
) -> list[str]:
    problems = []
    if len(set(choices)) < len(choices) or not all(c.strip() for c in choices):
        problems.append("`choices` must be different names, none of them blank")
    if label_map is None and any(c.strip().lstrip("-").isdigit() for c in choices):
        problems.append(
            "`choices` that are numbers cannot be told from codes: say which is which in "
            '`label_map`, such as {1: "1", 2: "2"}'
        )
    unknown = sorted(set((label_map or {}).values()) - set(choices))
    if unknown:
        problems.append(f"`label_map` leads to {', '.join(unknown)}, which `choices` does not have")
    return problems
