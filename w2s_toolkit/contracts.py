"""The Protocols that components implement, and the context each call is given.

A component is a plain class: it is constructed with its config model and satisfies one of the
Protocols below. Nothing has to be inherited. Everything a component may need of the toolkit
comes through :class:`Context`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from w2s_toolkit.data import Dataset, LabelSet, Metrics, ModelRef, TaskInfo

T = TypeVar("T")


class Progress(Protocol):
    """Handle of a running progress bar."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move on by ``steps``; ``note`` is a short text such as the current loss."""


class Context(Protocol):
    """What a stage may use.

    Attributes:
        seed: derived from the recipe's seed, stage kind, role, member and round. Take every
            random number from a generator seeded with it, never from a global one.
        stage: readable name of the stage, for messages.
        key: store key of what the stage makes; empty outside a run.
        out: folder whose content becomes the stage's artefact when the call returns.
        scratch: private folder that survives a kill and is deleted on commit: checkpoints.
        threads: CPU threads this stage may use.
        references: predictions to compare with, by role; filled for evaluators only.
    """

    seed: int
    stage: str
    key: str
    out: Path
    scratch: Path
    threads: int
    references: Mapping[str, LabelSet]

    def model(self, name: str) -> Any:
        """The model component of an entry of ``models:``, constructed with its config."""

    def path(self, ref: ModelRef) -> Path:
        """The folder that holds a reference's files."""

    def shared(
        self, key: str, build: Callable[[], T], *, nbytes: int = 0, needs: Collection[str] = ()
    ) -> T:
        """An object kept between the stages of one process, such as a loaded model.

        ``key`` must name content (a fingerprint, a store key), never a path. The object must not
        be changed by its users. It is let go, least recently used first, when memory is short;
        ``nbytes`` is its size as far as known. ``needs`` are model fingerprints and store keys: once
        no stage of the plan has one of them left to read, the object is let go too.
        """

    def progress(self, total: int, label: str) -> AbstractContextManager[Progress]:
        """Show progress over ``total`` steps."""

    def warn(self, code: str, message: str) -> None:
        """Record a remark that is shown in the results; ``code`` is stable, such as ``truncated``."""

    def note(self, message: str) -> None:
        """Show a remark that says nothing about the result, and so is no part of it."""

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter of the stage's usage, kept with the artefact and in ``usage.json``.

        Counters are whole numbers from 0, and those of labelling add up: two halves of a data set
        count what the whole counts. Whoever puts rows through a model counts them as ``rows``;
        other names in use are ``prompt_tokens``, ``train_tokens``, ``truncated`` and
        ``unlabelled``. The toolkit itself counts ``labels``, ``training_rows`` and
        ``gold_labels``.
        """

    def gold(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Gold labels of ids of the data this stage was given, counted in the results.

        Raises:
            DataError: the component does not declare ``uses_gold``.
        """


class Row(NamedTuple):
    """One example as a task gives it, before it has an id.

    ``group`` is the text that ties rows together (the question, the passage); the core normalises
    and hashes it, and takes the prompt where it is empty. ``id`` only where the data has ids of
    its own that label files refer to.
    """

    prompt: str
    choices: tuple[str, ...] = ()
    gold: int | None = None
    gold_text: str | None = None
    group: str = ""
    meta: Mapping[str, Any] = {}
    id: str | None = None


class TaskData(NamedTuple):
    """What a task loads.

    Attributes:
        info: kind, class names and question.
        sources: rows by source split (``train``, ``validation``, ``test`` …), read once, lazily.
        feeds: recipe split -> source it is drawn from; ``"*"`` stands for all others. Several
            recipe splits may share a source: the core keeps them disjoint by group.
    """

    info: TaskInfo
    sources: Mapping[str, Iterable[Row]]
    feeds: Mapping[str, str]


@runtime_checkable
class Task(Protocol):
    """A data set."""

    def load(self, ctx: Context) -> TaskData:
        """Read the data.

        Raises:
            DataError: a file, column or value is not as it should be.
        """


@runtime_checkable
class Supervisor(Protocol):
    """A weak teacher: fine-tuned, prompted, imported labels, a person, the previous student."""

    def fit(
        self, train: Dataset | None, ctx: Context, *, val: Dataset | None = None
    ) -> ModelRef | None:
        """Train on gold. Called only when the config names ``train_on``; ``val`` chooses checkpoints."""

    def label(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """Soft labels for any split, without refitting. ``data`` is blind."""


@runtime_checkable
class OversightProtocol(Protocol):
    """Interaction, debate, consultancy, critique: adds evidence to each example."""

    def assist(self, data: Dataset, judge: ModelRef | None, ctx: Context) -> Dataset:
        """The same rows, in the same order, with ``evidence``. ``data`` is blind."""


@runtime_checkable
class MemberTrainer(Protocol):
    """The optional second half of a supervisor: one that can be trained as a member of an ensemble."""

    def fit_member(
        self,
        train: Dataset,
        ctx: Context,
        *,
        weights: npt.NDArray[np.float64] | None = None,
        token_weights: Sequence[npt.NDArray[np.float64]] | None = None,
        target: npt.NDArray[np.float64] | None = None,
        variation: Mapping[str, Any] | None = None,
        val: Dataset | None = None,
    ) -> ModelRef:
        """Train on gold, or regress on ``target``; :meth:`Supervisor.label` reads what it returns.

        Args:
            train: n rows with gold.
            weights: (n,) of the loss of each row.
            token_weights: n arrays, of the loss of each answer token.
            target: (n, K) real values: centred logits are fitted to them by squared error, and
                labels are the softmax of what is predicted.
            variation: how this member differs from the others; see :meth:`MemberFactory.fit`.
            val: chooses among checkpoints.

        Raises:
            DataError: it cannot do what is asked for.
        """


@runtime_checkable
class AnswerScorer(Protocol):
    """The optional part of a supervisor or student that generates: how probable gold answers are."""

    def score(self, ref: ModelRef | None, data: Dataset, ctx: Context) -> LabelSet:
        """What the model gives the gold answers of ``data``, token by token, answers read so far given.

        Returns:
            Labels with ``token_log_probs`` and ``token_hits`` and without texts. The token that ends an
            answer counts. ``ref`` None: the model as it comes.
        """


class Together(NamedTuple):
    """Members that write one text together.

    Attributes:
        refs: of members that share their tokens.
        weights: one a member, not negative, at least one positive.
        rule: how distributions of the next token are mixed: ``mean`` of probabilities, or ``product``.
        sharpness: how much more a member counts at a place where it is surer than the others: its
            weight is multiplied by exp(-sharpness times the entropy of its distribution, in nats).
    """

    refs: Sequence[ModelRef]
    weights: Sequence[float]
    rule: str = "mean"
    sharpness: float = 0.0


@runtime_checkable
class JointWriter(Protocol):
    """The optional part of a supervisor whose members can write together, each token from all."""

    def label_together(
        self, together: Together, models: Sequence[str], data: Dataset, ctx: Context
    ) -> LabelSet:
        """Answers to every row; ``models`` are the entries of ``models:`` of the members, one each.

        Raises:
            DataError: the members have different tokens, or the rule is not known.
        """

    def score_together(
        self, together: Together, models: Sequence[str], data: Dataset, ctx: Context
    ) -> LabelSet:
        """What they together give the gold answers, as :meth:`AnswerScorer.score`."""


@runtime_checkable
class JointSaver(Protocol):
    """The optional part of a :class:`JointWriter`: members as one model that the toolkit is not needed for."""

    def save_together(self, together: Together, models: Sequence[str], ctx: Context) -> ModelRef:
        """Write them below ``ctx.out``; ``models`` are the entries of ``models:`` of the members."""


class MemberFactory(Protocol):
    """Handed to an ensembler; every call is a keyed child stage, so 4 members grow to 8 by training 4.

    Asking comes before training: :meth:`fit` returns at once, and a prediction that is not in the
    store yet ends the running :meth:`Ensembler.build` or :meth:`Ensembler.label` by an exception of
    the core, which must be let through. What was asked for is then made side by side, and the
    method runs again from its beginning. So ask for all that can be asked for together, and leave
    out of a request whatever does not influence that member, such as the number of members.
    """

    def fit(
        self,
        index: int,
        train: Dataset,
        *,
        weights: npt.NDArray[np.float64] | None = None,
        token_weights: Sequence[npt.NDArray[np.float64]] | None = None,
        target: npt.NDArray[np.float64] | None = None,
        variation: Mapping[str, Any] | None = None,
    ) -> ModelRef:
        """The promise of a member, at once; nothing is trained yet.

        Args:
            index: number of the member; no two requests of one ensemble that differ share it.
            train: the training set that was given, or ``train.take(rows)`` of it.
            weights: (n,) weight of each row in the loss, from 0. A sample with replacement is the
                rows drawn at least once, weighted by how often they were drawn.
            token_weights: for each row, one weight a token of its answer.
            target: (n, K) real values to regress on: centred logits, squared error. The member
                still predicts probabilities, the softmax of its outputs, so an output is known up
                to a constant of its row: log-probability minus the mean of its row.
            variation: what else differs, JSON-able and understood by the component that is
                trained: ``seed`` (int); ``layer`` (relative depth in (0, 1] that the head reads);
                ``features`` (share in (0, 1) of the hidden dimensions that the head sees, drawn
                by ``seed``); ``supervisor`` (number of the phase's supervisor, modulo how many
                there are; the core's own, not handed on).
        """

    def predict(self, ref: ModelRef, data: Dataset) -> LabelSet:
        """A member's probabilities on ``data``, (n, K); waits for the member."""

    def predict_all(self, refs: Sequence[ModelRef], data: Dataset) -> list[LabelSet]:
        """The same of several members, in their order; waits for all, trained side by side."""

    def score_all(
        self,
        refs: Sequence[ModelRef | None],
        data: Dataset,
        answers: Sequence[str] | None = None,
    ) -> list[LabelSet]:
        """What each member gives the gold answers of ``data``, see :meth:`AnswerScorer.score`.

        None stands for the first supervisor's model as it comes, before any training.

        Args:
            answers: n texts that are scored in place of gold.
        """

    def write(self, together: Together, data: Dataset) -> LabelSet:
        """Answers that members write together, token by token, see :class:`JointWriter`."""

    def score(self, together: Together, data: Dataset) -> LabelSet:
        """What they together give the gold answers of ``data``."""


@runtime_checkable
class Ensembler(Protocol):
    """Owns how members are trained: boosting retrains on reweighted data.

    Both methods are run repeatedly from their beginning (see :class:`MemberFactory`): they must
    follow from their arguments and ``ctx.seed`` alone, be cheap apart from the members, and never
    catch exceptions that are not their own.
    """

    def build(
        self, members: MemberFactory, train: Dataset, val: Dataset | None, ctx: Context
    ) -> ModelRef:
        """Ask for members and return one reference that labels; ``train`` and ``val`` hold gold."""

    def label(self, ref: ModelRef, members: MemberFactory, data: Dataset, ctx: Context) -> LabelSet:
        """Combined labels of a reference that :meth:`build` made. ``data`` is blind.

        A row on which no member has an answer abstains.
        """


@runtime_checkable
class EnsembleScorer(Protocol):
    """The optional second half of an ensembler for generated answers."""

    def score(self, ref: ModelRef, members: MemberFactory, data: Dataset, ctx: Context) -> LabelSet:
        """As :meth:`AnswerScorer.score`, for the ensemble; ``data`` holds gold."""


@runtime_checkable
class JointEnsemble(Protocol):
    """The optional part of an ensembler whose members write each token together."""

    def together(self, ref: ModelRef) -> Together:
        """How members of a reference that :meth:`Ensembler.build` made write.

        Raises:
            DataError: they do not write together, but choose among whole answers.
        """


@runtime_checkable
class Refiner(Protocol):
    """Trust filters, calibration, gold budget, simulated label noise."""

    def fit(self, data: Dataset, labels: LabelSet, ctx: Context) -> Mapping[str, Any]:
        """Learn a JSON-able state from the split named ``on``; it holds gold if declared."""

    def refine(
        self, state: Mapping[str, Any], pool: Dataset, labels: LabelSet, ctx: Context
    ) -> LabelSet:
        """Changed labels for the pool, same ids; ``abstain`` or ``weight`` 0 leaves a row out."""


@runtime_checkable
class Student(Protocol):
    """A strong learner."""

    def train(
        self,
        pool: Dataset,
        labels: LabelSet,
        ctx: Context,
        *,
        val: Dataset | None = None,
        init: ModelRef | None = None,
    ) -> ModelRef:
        """Train on soft labels and write the model below ``ctx.out``.

        ``pool`` is blind and ``labels`` are aligned with it; the ceiling is the same call with
        one-hot gold labels. Rows with ``abstain`` or weight 0 are left out.
        """

    def label(self, ref: ModelRef, data: Dataset, ctx: Context) -> LabelSet:
        """Predictions of a reference that :meth:`train` made. ``data`` is blind."""


@dataclass(frozen=True)
class Observation:
    """One seed's material for an evaluator that aggregates over seeds."""

    seed: int
    data: Dataset
    subject: LabelSet
    references: Mapping[str, LabelSet] = field(default_factory=dict)


@runtime_checkable
class Evaluator(Protocol):
    """Measures labels or predictions against gold.

    Two methods are optional: ``aggregate`` joins seeds (:class:`SeedAggregator`), and ``compare``
    sets two runs against each other (:class:`PairedEvaluator`).
    """

    def evaluate(self, subject: LabelSet, data: Dataset, ctx: Context) -> Metrics:
        """``subject`` is aligned with ``data``, which holds gold; ``ctx.references`` likewise."""


@runtime_checkable
class SeedAggregator(Protocol):
    """The optional second half of an evaluator: one result over several seeds."""

    def aggregate(self, seeds: Sequence[Observation], ctx: Context) -> Metrics:
        """Headline numbers over seeds, with intervals that resample seeds first."""


@runtime_checkable
class PairedEvaluator(Protocol):
    """The optional third part of an evaluator: one result against another, for ``w2s runs diff``."""

    def compare(
        self, first: Sequence[Observation], second: Sequence[Observation], ctx: Context
    ) -> Metrics:
        """Second minus first of each value, with a 95% interval for the difference.

        Both hold at least one seed. The rows of equal seeds are the same; where the seeds differ,
        all rows are. Resample what they share together, so that it cancels in the difference. The
        data holds ids, groups and gold, but no prompts.
        """


@dataclass(frozen=True)
class StageJob:
    """One stage as data: all that a worker process needs, JSON-able.

    Attributes:
        key, parts: the store key and what it was hashed from.
        kind: ``data``, ``split``, ``fit``, ``label``, ``train``, ``evaluate`` …
        label: readable name.
        component: kind and name in the registry; empty for stages of the core.
        config: the component's config, validated again by the worker.
        models: entries of ``models:`` that the config names: use, config, fingerprint, resolved.
        inputs: slot -> store key.
        args: what else the stage kind needs, such as the split.
        seed, threads: see :class:`Context`.
        store: folder of the store.
    """

    key: str
    parts: Mapping[str, Any]
    kind: str
    label: str
    component: tuple[str, str]
    config: Mapping[str, Any]
    models: Mapping[str, Mapping[str, Any]]
    inputs: Mapping[str, str]
    args: Mapping[str, Any]
    seed: int
    threads: int
    store: str


@dataclass(frozen=True)
class StageOutcome:
    """How a stage ended: an error (text for a user, details for the log) or none.

    ``pending`` are stages, as JSON, that must be made before this one is run again.
    """

    key: str
    error: str = ""
    details: str = ""
    pending: tuple[Mapping[str, Any], ...] = ()


class EventSink(Protocol):
    """Receives what a running stage reports."""

    def __call__(self, event: Mapping[str, Any], /) -> None:
        """Take one event, a JSON-able mapping whose ``event`` says what it is."""


@runtime_checkable
class Executor(Protocol):
    """How a stage's process is started; nothing else.

    Attributes:
        side_by_side: whether :meth:`run` may be called from several threads at once.
    """

    side_by_side: bool

    def run(self, job: StageJob, on_event: EventSink) -> StageOutcome:
        """Run to the end. KeyboardInterrupt must stop the stage and pass on."""

    def release(self, names: Collection[str]) -> None:
        """No later stage needs these: see ``needs`` of :meth:`Context.shared`."""

    def close(self) -> None:
        """Stop what runs, in whatever thread, and let go of processes and loaded models."""
