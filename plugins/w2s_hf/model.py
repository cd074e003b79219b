"""The model that a recipe names with ``use: hf``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from w2s_hf import hub
from w2s_hf.config import HFModelConfig
from w2s_hf.loading import DTYPES, load_body, load_config, load_language_model, load_tokenizer
from w2s_toolkit.contracts import ChatModel, Context
from w2s_toolkit.digest import Digests
from w2s_toolkit.errors import ModelError

_DIGESTS = Digests()  # every stage makes a model object of its own; files are hashed once a process


class HFModel:
    """Opens one transformers model in the ways components need it. Loads nothing until asked.

    Args:
        config: where the model is and how it is loaded.
        fingerprint: identity of the weights if it is known already; worked out otherwise.
    """

    def __init__(self, config: HFModelConfig, fingerprint: str = "") -> None:
        self.config = config
        self._fingerprint = fingerprint

    @cached_property
    def fingerprint(self) -> str:
        """Identity of the weights, see :meth:`HFModelConfig.fingerprint`."""
        return self._fingerprint or self.config.fingerprint(_DIGESTS)

    @property
    def name(self) -> str:
        """How messages call it: the hub id, or the folder's name without the way to it."""
        local = hub.local_folder(self.config.id)
        return self.config.id if local is None else local.resolve().name

    @cached_property
    def folder(self) -> Path:
        """The folder that holds the files, downloaded if need be.

        Raises:
            ModelError: there is none.
        """
        local = hub.local_folder(self.config.id)
        if local is None:
            sha = hub.hub_revision(self.config.id, self.config.revision)
            return hub.download(self.config.id, sha, code=self.config.trust_remote_code)
        if problems := hub.folder_problems(local):
            raise ModelError(problems[0].partition("; next: ")[0])
        return local

    @cached_property
    def dtype(self) -> torch.dtype:
        """The number format in which it computes."""
        return DTYPES[self.config.resolved()["dtype"]]

    @cached_property
    def device(self) -> torch.device:
        """Where it computes.

        Raises:
            ModelError: the config names a device that is not there.
        """
        wanted = self.config.device
        if wanted == "auto":
            if torch.cuda.is_available():
                return torch.device("cuda")
            return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
        try:
            device = torch.device(wanted)
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ModelError(
                f"device {wanted!r} cannot be used: {str(error).splitlines()[0]}",
                next_step="set device: auto",
            ) from error
        return device

    @property
    def attention(self) -> str | None:
        """The attention implementation asked for."""
        return self.config.attn_implementation

    def tokenizer(self, ctx: Context) -> Any:
        """The tokenizer, shared by the stages of a process."""
        code = self.config.trust_remote_code
        return ctx.shared(
            f"hf-tokenizer:{self.fingerprint}",
            lambda: load_tokenizer(self.folder, self.name, code=code),
            needs=[self.fingerprint],
        )

    def transformers_config(self, ctx: Context) -> Any:
        """The config of the network, shared by the stages of a process; not to be changed."""
        code = self.config.trust_remote_code
        return ctx.shared(
            f"hf-config:{self.fingerprint}",
            lambda: load_config(self.folder, self.name, code=code),
            needs=[self.fingerprint],
        )

    def new_body(self, dtype: torch.dtype, folder: Path | None = None) -> Any:
        """A fresh copy of the network without a head, to be trained by the caller.

        ``folder`` holds other weights to start from, such as those of an earlier student.
        """
        return load_body(
            folder or self.folder,
            self.name,
            dtype=dtype,
            attention=self.attention,
            code=self.config.trust_remote_code,
        )

    def base_body(self, ctx: Context, pooling: str) -> Any:
        """A frozen network without a head on its device, to which adapters are lent.

        It is shared by the stages of a process, and they leave it as they found it. ``pooling`` is part
        of what it is: a pooling layer is only there where it is used.
        """
        name = f"hf-base:{self.fingerprint}:{self.dtype}:{self.attention}:{self.device}:{pooling}"
        return ctx.shared(
            name,
            lambda: self.new_body(self.dtype).requires_grad_(False).to(self.device),
            nbytes=weight_bytes(self.folder),
            needs=[self.fingerprint],
        )

    def new_language_model(self, dtype: torch.dtype, folder: Path | None = None) -> Any:
        """A fresh copy of the language model, as :meth:`new_body` of the network without a head."""
        return load_language_model(
            folder or self.folder,
            self.name,
            dtype=dtype,
            attention=self.attention,
            code=self.config.trust_remote_code,
        )

    def require_trainable(self) -> None:
        """Refuse a number format in which training overflows.

        Raises:
            ModelError: the model computes in float16.
        """
        if self.dtype is torch.float16:
            raise ModelError(
                f"model {self.name!r} cannot be trained in float16, which overflows",
                next_step="set dtype: auto in its entry of models:",
            )

    def language_model(self, ctx: Context) -> Any:
        """The frozen language model on its device, shared by the stages of a process.

        Adapters may be lent to it; otherwise it is not to be changed.
        """

        def build() -> Any:
            return self.new_language_model(self.dtype).requires_grad_(False).to(self.device)

        name = f"hf-lm:{self.fingerprint}:{self.dtype}:{self.attention}:{self.device}"
        return ctx.shared(name, build, nbytes=weight_bytes(self.folder), needs=[self.fingerprint])

    def chat(self, ctx: Context) -> ChatModel:
        """See :meth:`ChatModelSource.chat`."""
        from w2s_hf.chat import HFChat

        return HFChat(self, ctx)


def files_digest(paths: Iterable[Path]) -> str:
    """Hash of files by name and content, whatever their order."""
    h = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            h.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return h.hexdigest()


def weight_bytes(folder: Path) -> int:
    """Size of the weight files of a folder."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
