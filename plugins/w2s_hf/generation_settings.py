"""Settings of ``generate`` that come with a model."""

from __future__ import annotations

from typing import Any

import transformers

_SAMPLING = (
    *("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p"),
    *("epsilon_cutoff", "eta_cutoff"),
)


def writable_settings(settings: Any) -> Any:
    """Change settings that transformers would refuse to write; returns them.

    Some models come with a temperature or the like and without ``do_sample``. Loading passes over
    that, saving raises, after all of the training. They are without effect, and taken out.
    """
    try:
        settings.validate(strict=True)
    except ValueError:
        plain = transformers.GenerationConfig()
        for name in _SAMPLING:
            if hasattr(settings, name):
                setattr(settings, name, getattr(plain, name, None))
    return settings
