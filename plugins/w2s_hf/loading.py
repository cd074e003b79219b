"""Opens models and tokenizers, and refuses what would only half load.

transformers fills a weight that is missing from a checkpoint with random numbers and goes on;
here every weight comes from the checkpoint or there is an error. Only safetensors are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from w2s_hf import hub
from w2s_hf.quiet import quiet
from w2s_toolkit.errors import MissingDependencyError, ModelError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_config(folder: Path, name: str, *, code: bool) -> Any:
    """The model's config with every dropout set to zero.

    Raises:
        ModelError: it cannot be read, or transformers does not know the architecture.
    """
    try:
        with quiet():
            config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=code)
    except Exception as error:  # errors of the checks that configs make of themselves share no base
        step = (
            "check that the folder is a complete transformers model, and its type known "
            f"to transformers {transformers.__version__}"
        )
        if not code and (hub.read_config(str(folder), None) or {}).get("auto_map"):
            step = (
                "it comes with Python code of its own: read that code and set "
                "trust_remote_code: true in its entry of models:, or use another model"
            )
        raise ModelError(
            f"the config of model {name!r} cannot be read: {_first_line(error)}",
            where=str(folder / "config.json"),
            next_step=step,
        ) from error
    _no_dropout(config)
    return config


def load_tokenizer(folder: Path, name: str, *, code: bool) -> Any:
    """The tokenizer beside the weights.

    Raises:
        ModelError: there is none or it is broken.
    """
    names = {p.name for p in hub.loaded_files(folder, code=False)}
    has_one = any("token" in n or n.startswith(("vocab", "spiece", "sentencepiece")) for n in names)
    try:
        if not has_one:
            raise OSError("there is no tokenizer file in the folder")
        with quiet():
            return transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=code)
    except ImportError as error:
        raise MissingDependencyError(
            f"the tokenizer of model {name!r} needs a package that is not installed: "
            f"{_first_line(error)}",
            where=str(folder),
        ) from error
    except Exception as error:  # tokenizers raises plain Exception for a broken file
        raise ModelError(
            f"the tokenizer of model {name!r} cannot be opened: {_first_line(error)}",
            where=str(folder),
            next_step="copy tokenizer.json and tokenizer_config.json of the original model there",
        ) from error


def load_body(
    folder: Path, name: str, *, dtype: torch.dtype, attention: str | None, code: bool
) -> Any:
    """The network without any head, in eval mode, on the CPU.

    A pooling layer whose weights are not in the checkpoint is left off (``body.pooler is None``).
    Checkpoints that keep tied embeddings only under the name of the output layer are opened as a
    language model, which ties them, and stripped of its head.

    Raises:
        ModelError: a weight is missing or has another shape, or a file is broken.
    """
    config = load_config(folder, name, code=code)
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"model {name!r} is an encoder-decoder, which cannot be made a classifier here",
            where=str(folder),
            next_step="use a decoder (GPT, Llama, Qwen) or an encoder (BERT, RoBERTa)",
        )
    auto = transformers.AutoModel
    body, missing = _load(auto, folder, name, config, dtype, attention, code)
    if missing and all("pooler." in key for key in missing):
        body.pooler = None
        return body
    if missing:
        first = missing
        body, missing = _load_stripped(folder, name, config, dtype, attention, code)
        if missing:
            raise _missing(folder, name, first)
    return body


def load_language_model(
    folder: Path, name: str, *, dtype: torch.dtype, attention: str | None, code: bool
) -> Any:
    """The network with its language-modelling head, in eval mode, on the CPU.

    Raises:
        ModelError: as :func:`load_body`, or the model is no language model.
    """
    config = load_config(folder, name, code=code)
    auto = transformers.AutoModelForCausalLM
    model, missing = _load(auto, folder, name, config, dtype, attention, code)
    if missing:
        raise _missing(folder, name, missing)
    return model


def _load_stripped(
    folder: Path, name: str, config: Any, dtype: torch.dtype, attention: str | None, code: bool
) -> tuple[Any, list[str]]:
    try:
        auto = transformers.AutoModelForCausalLM
        model, missing = _load(auto, folder, name, config, dtype, attention, code)
    except ModelError:  # no such class for this architecture: the first list tells more
        return None, ["?"]
    return model.base_model, missing


def _load(
    auto: Any,
    folder: Path,
    name: str,
    config: Any,
    dtype: torch.dtype,
    attention: str | None,
    code: bool,
) -> tuple[Any, list[str]]:
    options: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
    try:
        # A weight that is missing is drawn at random before it is found to be missing; the global
        # generator must not notice.
        with quiet(), torch.random.fork_rng(devices=[]):
            model, info = auto.from_pretrained(
                folder,
                config=config,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=code,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are named and refused below
                **options,
            )
    except ImportError as error:
        raise MissingDependencyError(
            f"model {name!r} needs a package that is not installed: {_first_line(error)}",
            where=str(folder),
            next_step="install it, or set attn_implementation: sdpa",
        ) from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(
            f"model {name!r} cannot be loaded: {_first_line(error)}",
            where=str(folder),
            next_step="check that its files are complete, by downloading or copying them again",
        ) from error
    if info["mismatched_keys"]:
        keys = sorted(str(key[0]) for key in info["mismatched_keys"])
        raise ModelError(
            f"weights of model {name!r} have another shape than its config says: {_some(keys)}",
            where=str(folder),
            next_step="copy config.json and the weights from the same source",
        )
    return model, sorted(info["missing_keys"])


def _missing(folder: Path, name: str, keys: list[str]) -> ModelError:
    return ModelError(
        f"{len(keys)} weights of model {name!r} are not in its checkpoint and would be random: "
        f"{_some(keys)}",
        where=str(folder),
        next_step="use a checkpoint that holds them; save_pretrained() of a working model writes one",
    )


def _no_dropout(config: Any) -> None:
    """Set every dropout of a config and of the configs inside it to zero."""
    for key, value in list(vars(config).items()):
        if isinstance(value, transformers.PreTrainedConfig):
            _no_dropout(value)
        elif ("drop" in key) and isinstance(value, float):
            setattr(config, key, 0.0)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")


def _first_line(error: BaseException) -> str:
    if isinstance(error, KeyError) and error.args:
        return f"{str(error.args[0])!r} is missing"
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
