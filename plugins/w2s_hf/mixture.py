"""Several language models that write one text together: their next-token distributions are mixed.

Source: EnsemW2S (arXiv 2410.04571), section 3, for the weighted mean of next-token distributions. The
models must share one vocabulary; each keeps its own KV cache.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from transformers.modeling_outputs import CausalLMOutputWithPast

from w2s_hf.generation_settings import writable_settings
from w2s_hf.quiet import quiet
from w2s_toolkit.errors import ModelError

Rule = Literal["mean", "product"]
FILE = "mixture.json"


class MemberCaches(transformers.Cache):  # type: ignore[misc]
    """One KV cache a member. What is done to the rows of a batch is done in all of them.

    Args:
        caches: in the members' order.
    """

    def __init__(self, caches: Sequence[Any]) -> None:
        super().__init__(layers=[layer for cache in caches for layer in cache.layers])
        self.caches = list(caches)


class Mixture(transformers.PreTrainedModel, transformers.GenerationMixin):  # type: ignore[misc]
    """A language model whose next-token distribution is that of several others, mixed.

    ``mean``: Σ αᵢ pᵢ(v) / Σ αᵢ; ``product``: proportional to Π pᵢ(v)^(αᵢ / Σ α). One member is itself,
    to the bit. It works with ``generate`` in all its ways that need no other model.

    Args:
        members: language models over one vocabulary, on one device.
        weights: α, one a member, not negative, at least one positive; members without any are left out.
        rule: how distributions are mixed.
        sharpness: τ ≥ 0; where it is not 0, αᵢ is multiplied at each place by exp(-τ Hᵢ) with Hᵢ the
            entropy of pᵢ there, in nats: members that are sure count for more.

    Raises:
        ModelError: the vocabularies differ, or no weight is positive.
    """

    # How attention is computed is the members' business.
    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(
        self,
        members: Sequence[Any],
        weights: Sequence[float],
        rule: Rule = "mean",
        sharpness: float = 0.0,
    ) -> None:
        used = [(m, float(w)) for m, w in zip(members, weights, strict=True) if w > 0]
        if not used or not all(0 <= w < float("inf") for w in weights):
            raise ModelError(f"weights of a mixture should be positive, not {list(weights)}")
        if rule not in ("mean", "product"):
            raise ModelError(
                f"next-token distributions are not mixed by {rule!r}",
                next_step="use mean or product",
            )
        sizes = sorted({int(m.config.get_text_config().vocab_size) for m, _ in used})
        if len(sizes) > 1:
            raise ModelError(
                f"models with {' and '.join(map(str, sizes))} tokens cannot be mixed token by token",
                next_step="combine whole answers instead (combine: vote), or use one tokenizer",
            )
        super().__init__(copy.deepcopy(used[0][0].config))
        # A plain list: the members' weights are theirs, and are neither saved nor moved with this.
        self._used = used
        self.rule: Rule = rule
        self.sharpness = sharpness
        self.generation_config = copy.deepcopy(used[0][0].generation_config)
        self.generation_config.eos_token_id = _ends([m.generation_config for m, _ in used])

    @property
    def readers(self) -> int:
        """How many members read each token."""
        return len(self._used)

    @property
    def device(self) -> torch.device:
        """Where the members compute."""
        return torch.device(self._used[0][0].device)

    @property
    def dtype(self) -> torch.dtype:
        """The members' number format."""
        found: torch.dtype = self._used[0][0].dtype
        return found

    def to(self, *args: Any, **options: Any) -> Mixture:
        """Move the members, or change their number format."""
        for member, _ in self._used:
            member.to(*args, **options)
        return self

    def get_input_embeddings(self) -> Any:
        """Those of the first member."""
        return self._used[0][0].get_input_embeddings()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: MemberCaches | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        """Ids and mask (b, t) to logits (b, t, V) whose softmax is the mixed distribution.

        They are on the scale of the members' logits, as penalties of ``generate`` ask for it.
        """
        caches: list[Any] = [None] * len(self._used)
        if isinstance(past_key_values, MemberCaches):
            caches = past_key_values.caches
        elif past_key_values is not None:
            raise ModelError(
                f"a mixture has a cache for each member, and was given a {type(past_key_values).__name__}",
                next_step="leave past_key_values out, or pass new_caches() of the mixture",
            )
        elif use_cache:
            past_key_values = self.new_caches()
            caches = past_key_values.caches
        mixed: torch.Tensor | None = None
        total: Any = sum(weight for _, weight in self._used)
        counted: Any = 0.0
        scale: Any = 0.0
        before: Any = None
        for (member, weight), cache in zip(self._used, caches, strict=True):
            logits: torch.Tensor = member(
                input_ids=input_ids,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=cache,
                use_cache=cache is not None,
                logits_to_keep=logits_to_keep,
            ).logits
            if len(self._used) == 1:
                mixed = logits
                break
            logits = logits.float()
            log_probs = torch.log_softmax(logits, dim=-1)
            norm = (logits.amax(-1, keepdim=True) - log_probs.amax(-1, keepdim=True)) * (
                weight / total
            )
            scale = scale + norm
            share: Any = weight / total
            if self.sharpness:
                unsure = self.sharpness * _entropy(log_probs)
                # Shares are relative to the surest member so far: by themselves they may be too small to be told from 0.
                surest = unsure if before is None else torch.minimum(before, unsure)
                if mixed is not None:
                    fade = torch.exp(surest - before)
                    mixed, counted = mixed.mul_(fade), counted * fade
                share, before = share * torch.exp(surest - unsure), surest
                counted = counted + share
            part = (log_probs if self.rule == "product" else log_probs.exp_()).mul_(share)
            mixed = part if mixed is None else mixed.add_(part)
        assert mixed is not None
        if self.sharpness and len(self._used) > 1:
            mixed = mixed.div_(counted)
        if self.rule == "mean" and len(self._used) > 1:
            mixed = mixed.clamp_(min=torch.finfo(mixed.dtype).tiny).log_()
        if len(self._used) > 1:
            mixed = mixed.add_(scale)
        return CausalLMOutputWithPast(logits=mixed, past_key_values=past_key_values)

    def new_caches(self) -> MemberCaches:
        """An empty cache for each member."""
        return MemberCaches(
            [transformers.DynamicCache(config=member.config) for member, _ in self._used]
        )

    def _prepare_cache_for_generation(
        self, generation_config: Any, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> None:
        if generation_config.use_cache is not False and "past_key_values" not in model_kwargs:
            model_kwargs["past_key_values"] = self.new_caches()

    def save_pretrained(self, folder: str | Path, *, tokenizer: Any = None, **_: Any) -> None:
        """Write each member as an ordinary folder, and ``mixture.json`` with weights and rule."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        names = [f"member-{number}" for number in range(len(self._used))]
        with quiet():
            writable_settings(self.generation_config).save_pretrained(folder)
            for name, (member, _weight) in zip(names, self._used, strict=True):
                writable_settings(member.generation_config)
                member.save_pretrained(folder / name)
                if tokenizer is not None:
                    tokenizer.save_pretrained(folder / name)
        weights = [weight for _, weight in self._used]
        about: dict[str, Any] = {"members": names, "weights": weights, "rule": self.rule}
        about["sharpness"] = self.sharpness
        (folder / FILE).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: str | Path, *_: Any, **options: Any) -> Mixture:
        """Read what :meth:`save_pretrained` wrote; ``options`` go to each member.

        Raises:
            ModelError: the folder holds no mixture.
        """
        folder = Path(folder)
        try:
            about = json.loads((folder / FILE).read_text(encoding="utf-8"))
            names, weights, rule = about["members"], about["weights"], about["rule"]
            sharpness = float(about.get("sharpness", 0.0))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"there is no readable {FILE}: {error}",
                where=str(folder),
                next_step="name a folder that save_pretrained() of a mixture wrote",
            ) from error
        with quiet():
            members = [
                transformers.AutoModelForCausalLM.from_pretrained(folder / name, **options).eval()
                for name in names
            ]
        made = cls(members, weights, rule, sharpness)
        if (folder / transformers.utils.GENERATION_CONFIG_NAME).exists():
            made.generation_config = transformers.GenerationConfig.from_pretrained(folder)
        return made


def _ends(settings: Sequence[Any]) -> int | list[int] | None:
    """The tokens that end a text for any of the members."""
    found: dict[int, None] = {}
    for one in settings:
        ends = one.eos_token_id
        found |= dict.fromkeys(ends if isinstance(ends, list) else [] if ends is None else [ends])
    return list(found) if len(found) > 1 else next(iter(found), None)


def _entropy(log_probs: torch.Tensor) -> torch.Tensor:
    """(b, t, V) log-probabilities to entropies (b, t, 1) in nats; no token has log-probability -inf."""
    return -(log_probs.exp() * log_probs).sum(-1, keepdim=True)
