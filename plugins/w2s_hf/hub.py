"""Model folders and hub repositories: what they are, what is in them, which version it is.

Nothing here needs torch or transformers, so recipes are planned without either.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from w2s_toolkit.config import Digest
from w2s_toolkit.errors import MissingDependencyError, ModelError

Family = Literal["decoder", "encoder", "encoder-decoder", "unknown"]

LOADED_FILES = (
    "config.json",
    "generation_config.json",
    "adapter_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*.json",
    "tokenizer*.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "spiece.model",
    "sentencepiece*.model",
    "*.tiktoken",
    "chat_template.*",
    "1_Pooling/config.json",
)
"""Files of a model folder that can change what is loaded from it."""

_NOT_DOWNLOADED = ("onnx/*", "openvino/*", "original/*", "consolidated*", "*.fp16.*", "*.bf16.*")

_ENCODERS = frozenset(
    """
    albert bert big_bird camembert convbert data2vec-text deberta deberta-v2 distilbert electra
    ernie esm eurobert flaubert fnet funnel ibert layoutlm longformer luke megatron-bert mobilebert
    modernbert mpnet mra nomic_bert nystromformer rembert roberta roberta-prelayernorm roformer
    splinter squeezebert xlm xlm-roberta xlm-roberta-xl xmod yoso
    """.split()
)


def local_folder(model_id: str) -> Path | None:
    """The folder that ``model_id`` names, or None where it is no folder here."""
    try:
        path = Path(model_id).expanduser()
        return path if path.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # too long, or the home of nobody
        return None


def looks_local(model_id: str) -> bool:
    """Whether a user can only have meant a folder: hub ids never begin like this."""
    return model_id.startswith((".", "/", "~")) or Path(model_id).is_absolute()


def loaded_files(folder: Path, *, code: bool) -> list[Path]:
    """Files of ``folder`` that matter when it is loaded, sorted; ``*.py`` only with ``code``."""
    patterns = (*LOADED_FILES, "*.py") if code else LOADED_FILES
    found = {
        path
        for pattern in patterns
        for path in folder.glob(pattern)
        if path.is_file() and not path.name.startswith(".")
    }
    return sorted(found)


def folder_problems(folder: Path) -> list[str]:
    """What keeps a local folder from being loaded, without opening a weight file."""
    if not (folder / "config.json").is_file():
        return [
            f"{folder} holds no config.json, so it is no transformers model; "
            "next: name the folder that save_pretrained() wrote"
        ]
    config = read_config(str(folder), None)
    if config is None or not (config.get("model_type") or config.get("auto_map")):
        return [
            f"{folder}/config.json is not the JSON object with a model_type that describes a model; "
            "next: copy it again from where the weights come from"
        ]
    if any(path.is_file() for path in folder.glob("*.safetensors")):
        return []
    pickles = sorted(p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth"))
    has = f"only {', '.join(pickles)}, which can run code when opened" if pickles else "no weights"
    return [
        f"{folder} holds {has}; next: load it once where it is trusted and write it again with "
        "save_pretrained(), which writes model.safetensors"
    ]


def folder_fingerprint(folder: Path, digest: Digest, *, code: bool) -> str:
    """Hash of the relative names and contents of :func:`loaded_files`.

    Raises:
        ModelError: the folder is no loadable model.
    """
    if problems := folder_problems(folder):
        raise _from_problem(problems[0])
    h = hashlib.sha256()
    for path in loaded_files(folder, code=code):
        entry = [path.relative_to(folder).as_posix(), digest(str(path))]
        h.update(json.dumps(entry).encode())
    return h.hexdigest()


def hub_revision(model_id: str, revision: str | None) -> str:
    """The commit sha of a hub model.

    Raises:
        ModelError: it exists neither on the hub nor in the local cache, or neither can be asked.
    """
    if revision and re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    try:
        from huggingface_hub import HfApi, constants, errors
    except ImportError:
        raise MissingDependencyError(
            f"the hub model {model_id!r} needs huggingface_hub, which is not installed",
            next_step="pip install 'w2s-toolkit[hf]'",
        ) from None
    reason = "the hub is switched off by HF_HUB_OFFLINE"
    if not constants.HF_HUB_OFFLINE:
        try:
            sha = HfApi().model_info(model_id, revision=revision, timeout=10).sha
            if sha:
                return str(sha)
        except errors.GatedRepoError:
            reason = "its owner asks for a login and an agreement on the hub first"
        except (errors.RepositoryNotFoundError, errors.HFValidationError):
            reason = "there is no such model on the hub"
        except errors.RevisionNotFoundError:
            reason = f"it has no revision {revision!r} on the hub"
        except Exception:
            # The hub's HTTP client has changed before, and errors of the clients share no base.
            reason = "the hub cannot be reached"
    if cached := _cached_revision(model_id, revision):
        return cached
    raise ModelError(
        f"model {model_id!r} is neither a folder here nor in the hub's cache on this machine, "
        f"and {reason}",
        next_step="--set models.NAME.id=PATH with a folder that holds the model",
    )


def folder_here(model_id: str, revision: str | None) -> Path | None:
    """The folder of a local or cached model; None where it is not on this machine."""
    if (folder := local_folder(model_id)) is not None:
        return folder
    sha = _cached_revision(model_id, revision)
    return _cache_folder(model_id) / "snapshots" / sha if sha else None


def read_config(model_id: str, revision: str | None) -> dict[str, Any] | None:
    """``config.json`` of a local or cached model; None where it is not on this machine."""
    folder = folder_here(model_id, revision)
    if folder is None:
        return None
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


def family(config: dict[str, Any]) -> Family:
    """Which kind of network a ``config.json`` describes."""
    names = [str(a) for a in config.get("architectures") or []]
    if config.get("is_encoder_decoder"):
        return "encoder-decoder"
    if config.get("is_decoder") or any(n.endswith(("ForCausalLM", "LMHeadModel")) for n in names):
        return "decoder"
    if config.get("model_type") in _ENCODERS or any(n.endswith("ForMaskedLM") for n in names):
        return "encoder"
    return "decoder" if config.get("model_type") else "unknown"


def download(model_id: str, sha: str, *, code: bool) -> Path:
    """The folder of a hub model on this machine, fetched if needed; never a pickle file.

    Raises:
        ModelError: it cannot be fetched.
    """
    folder = download_files(model_id, sha, [*LOADED_FILES, "*.py"] if code else LOADED_FILES)
    if problems := folder_problems(folder):
        raise _from_problem(problems[0].replace(str(folder), f"model {model_id!r}"))
    return folder


def download_files(model_id: str, sha: str, patterns: Iterable[str]) -> Path:
    """A folder with the files of a hub model that match, fetched if needed.

    Raises:
        ModelError: they cannot be fetched.
    """
    import huggingface_hub

    try:
        path = huggingface_hub.snapshot_download(
            model_id,
            revision=sha,
            allow_patterns=list(patterns),
            ignore_patterns=list(_NOT_DOWNLOADED),
        )
    except Exception as error:  # see hub_revision
        raise ModelError(
            f"model {model_id!r} cannot be fetched from the hub: {str(error).splitlines()[0]}",
            next_step="check the network, or --set models.NAME.id=PATH with a local folder",
        ) from error
    return Path(path)


def _from_problem(problem: str) -> ModelError:
    what, _, step = problem.partition("; next: ")
    return ModelError(what, next_step=step)


def _cached_revision(model_id: str, revision: str | None) -> str | None:
    """The commit the local hub cache holds for ``revision`` (``main`` by default)."""
    name = revision or "main"
    plain = re.fullmatch(r"[\w.\-]+(/[\w.\-]+)?", model_id) and re.fullmatch(r"[\w.\-/]+", name)
    if not plain or len(model_id) > 200 or len(name) > 200:
        return None
    folder = _cache_folder(model_id)
    ref = folder / "refs" / name
    sha = ref.read_text("utf-8").strip() if ref.is_file() else name
    return sha if (folder / "snapshots" / sha / "config.json").is_file() else None


def _cache_folder(model_id: str) -> Path:
    # The layout is public (huggingface_hub's "Understand caching"); reading it by hand keeps the
    # library, which takes long to import, out of `w2s validate`.
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    cache = os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")  # noqa: PTH118
    return Path(cache).expanduser() / f"models--{model_id.replace('/', '--')}"
