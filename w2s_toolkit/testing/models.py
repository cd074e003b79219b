"""The contract of models."""

from __future__ import annotations

from typing import ClassVar

from w2s_toolkit.config import ComponentConfig, ModelConfig
from w2s_toolkit.testing.bench import Bench
from w2s_toolkit.testing.breach import breach, expected_to_work
from w2s_toolkit.testing.component import ComponentContract

CAPABILITIES = frozenset({"generate", "choice_probs", "train"})


class ModelContract(ComponentContract):
    """Entries of ``models:``, which answer for their identity and abilities without loading anything."""

    kind: ClassVar[str] = "models"
    config_base: ClassVar[type[ComponentConfig]] = ModelConfig

    def test_identity_is_a_text(self, bench: Bench) -> None:
        """The fingerprint is a text that names content, and the same when asked again."""
        config = bench.config()
        assert isinstance(config, ModelConfig)
        from w2s_toolkit.digest import Digests

        with expected_to_work("fingerprint() answers", "see ModelConfig.fingerprint"):
            first, second = config.fingerprint(Digests()), config.fingerprint(Digests())
        if not isinstance(first, str) or not first or first != second:
            breach(
                "a fingerprint is a text, the same whenever it is asked for",
                f"{first!r}, then {second!r}",
                "hash the weights, or give the revision they were published under",
            )
        paths = [str(u.value) for u in config.uses("path_or_id") if "/" in str(u.value)]
        if any(path in first for path in paths):
            breach(
                "a fingerprint names content, not a place",
                f"{first!r} holds the path of the model",
                "hash the files of a local folder: digest(path)",
            )

    def test_capabilities_are_known_words(self, bench: Bench) -> None:
        """Of ``generate``, ``choice_probs`` and ``train``."""
        config = bench.config()
        assert isinstance(config, ModelConfig)
        with expected_to_work("capabilities() answers", "see ModelConfig.capabilities"):
            unknown = set(config.capabilities()) - CAPABILITIES
        if unknown:
            breach(
                f"capabilities are of {', '.join(sorted(CAPABILITIES))}",
                f"{', '.join(sorted(unknown))}",
                "name only these",
            )

    def test_resolved_choices_are_plain_data(self, bench: Bench) -> None:
        """What is left to the machine can be part of a key."""
        from w2s_toolkit.digest import hash_of

        config = bench.config()
        assert isinstance(config, ModelConfig)
        with expected_to_work("resolved() gives JSON-able values", "give texts and numbers"):
            hash_of(config.resolved())
