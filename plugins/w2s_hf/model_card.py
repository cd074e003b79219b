"""The README of a model that was trained here: above all, what supervised it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from w2s_hf.model import HFModel
from w2s_hf.sft_config import WritingConfig
from w2s_toolkit.contracts import Together


def model_card(
    model: HFModel,
    config: WritingConfig,
    taught: str,
    rows: int,
    tokens: int,
    *,
    apart: bool = False,
    goes_on: bool = False,
) -> str:
    """Markdown with the front matter that model hubs read.

    Args:
        taught: what made the answers it learnt, such as ``gold answers``.
        rows, tokens: how many it read in one epoch.
        apart: adapters are not merged.
        goes_on: it started from an earlier student of that model.
    """
    merged = "which alone are in this folder" if apart else "merged into the weights"
    how = f"adapters, {merged}" if model.config.peft else "all weights"
    return f"""---
base_model: {model.name}
library_name: transformers
pipeline_tag: text-generation
tags: [w2s-toolkit, sft, weak-to-strong]
---

# {model.name}, fine-tuned to write answers

| | |
| --- | --- |
| Started from | {"an earlier student of " if goes_on else ""}`{model.name}` (fingerprint `{model.fingerprint[:16]}`) |
| Supervised by | {taught} |
| Rows, tokens an epoch | {rows:,}, {tokens:,} |
| Trained | {how}; {config.epochs} epochs, learning rate {config.lr:g}, batches of {config.batch_size} |
| Reads | `{config.template!r}`, then writes the answer and the end-of-text token |

What a model has learnt from weak answers is no better than these where it imitates them. Look at the
results of the run that made it before you use it for anything else. Its licence is that of the model it
started from.
"""


def supervision(provenance: Mapping[str, Any]) -> str:
    """What made answers, from the provenance of their labels.

    ``gold answers``, ``supervisors/sft (lab-xs)``, or ``ensemblers/writers of supervisors/sft (lab-xs)``.
    """
    made = str(provenance.get("component") or "")
    if not made:
        return "gold answers"
    members, called = provenance.get("members"), provenance.get("called")
    return made + (f" of {members}" if members else "") + (f" ({called})" if called else "")


def mixture_card(models: Sequence[str], together: Together, taught: str) -> str:
    """Of an ensemble that writes together.

    Args:
        models: what its members started from, one each.
        taught: what made the answers they learnt.
    """
    rows = "\n".join(
        f"| {number} | `{name}` | {weight:.4g} |"
        for number, (name, weight) in enumerate(zip(models, together.weights, strict=True))
    )
    how = "mean of probabilities" if together.rule == "mean" else "product of probabilities"
    title = (
        "1 language model"
        if len(models) == 1
        else f"{len(models)} language models that write together"
    )
    sure = f", surer members counting more (sharpness {together.sharpness:g})"
    return f"""---
tags: [w2s-toolkit, ensemble, weak-to-strong]
---

# {title}

Each next token comes from the weighted {how} of the members{sure if together.sharpness else ""}. Members
without weight are not in this folder; each of the others is an ordinary folder of transformers.
They were supervised by {taught}.

| Member | Started from | Weight |
| --- | --- | --- |
{rows}

```python
from transformers import AutoTokenizer
from w2s_hf.mixture import Mixture

mixture = Mixture.from_pretrained("this folder")
tokenizer = AutoTokenizer.from_pretrained("this folder/member-0")
ids = tokenizer("a prompt", return_tensors="pt")
print(tokenizer.decode(mixture.generate(**ids, max_new_tokens=20)[0]))
```
"""
