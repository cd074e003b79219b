"""Configs of the stand-ins. Imports nothing heavy."""

from __future__ import annotations

from w2s_toolkit.config import (
    ComponentConfig,
    Digest,
    EvaluatorConfig,
    ModelConfig,
    StudentConfig,
    SupervisorConfig,
)


class StandinModelConfig(ModelConfig):
    """Can be asked for anything as long as nothing runs."""

    number: int = 0

    def fingerprint(self, digest: Digest) -> str:
        """See :meth:`ModelConfig.fingerprint`."""
        return f"standin-{self.number}"

    def capabilities(self) -> frozenset[str]:
        """See :meth:`ModelConfig.capabilities`."""
        return frozenset({"generate", "choice_probs", "train"})


class StandinTaskConfig(ComponentConfig):
    """Rows of :func:`~w2s_toolkit.testing.tiny_dataset`."""

    rows: int = 200
    classes: int = 2


class StandinTeacherConfig(SupervisorConfig):
    """Nothing to set."""


class StandinStudentConfig(StudentConfig):
    """Nothing to set."""


class StandinMeasureConfig(EvaluatorConfig):
    """Nothing to set."""
