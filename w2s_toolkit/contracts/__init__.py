"""The Protocols that components implement, and the context each call is given.

A component is a plain class: it is constructed with its config model and satisfies one of the
Protocols below. Nothing has to be inherited. Everything a component may need of the toolkit
comes through :class:`Context`.
"""

from __future__ import annotations

from w2s_toolkit.contracts.chat import (
    ChatFailure,
    ChatModel,
    ChatModelSource,
    ChatRequest,
    ChatResult,
    ChatUsage,
    ChoiceScores,
    Message,
    ModelInfo,
)
from w2s_toolkit.contracts.context import Context, Progress, Watch
from w2s_toolkit.contracts.ensembles import (
    Ensembler,
    EnsembleScorer,
    JointEnsemble,
    JointSaver,
    JointWriter,
    MemberFactory,
    MemberTrainer,
    Together,
)
from w2s_toolkit.contracts.learning import (
    Evaluator,
    Observation,
    PairedEvaluator,
    SeedAggregator,
    Student,
)
from w2s_toolkit.contracts.stages import EventSink, Executor, StageJob, StageOutcome
from w2s_toolkit.contracts.supervision import AnswerScorer, OversightProtocol, Refiner, Supervisor
from w2s_toolkit.contracts.tasks import Row, Task, TaskData

__all__ = [
    "AnswerScorer",
    "ChatFailure",
    "ChatModel",
    "ChatModelSource",
    "ChatRequest",
    "ChatResult",
    "ChatUsage",
    "ChoiceScores",
    "Context",
    "EnsembleScorer",
    "Ensembler",
    "Evaluator",
    "EventSink",
    "Executor",
    "JointEnsemble",
    "JointSaver",
    "JointWriter",
    "MemberFactory",
    "MemberTrainer",
    "Message",
    "ModelInfo",
    "Observation",
    "OversightProtocol",
    "PairedEvaluator",
    "Progress",
    "Refiner",
    "Row",
    "SeedAggregator",
    "StageJob",
    "StageOutcome",
    "Student",
    "Supervisor",
    "Task",
    "TaskData",
    "Together",
    "Watch",
]
