"""Losses on soft labels. Each turns logits into one number a row; the caller weighs and sums.

A loss may keep state, which is all in :meth:`Loss.state_dict`. It changes only in
:meth:`Loss.end_step`, once an optimizer step, so micro-batches and evaluation cannot shift it.
"""

from __future__ import annotations

from typing import Protocol

import torch

from w2s_hf.loss_config import LogconfConfig, XentConfig
from w2s_toolkit.errors import DataError


class Loss(Protocol):
    """A loss on soft labels.

    Attributes:
        wants_preview: whether :meth:`begin_step` needs the predictions on the whole batch.
        wants_history: whether :meth:`end_step` is to be called.
    """

    wants_preview: bool
    wants_history: bool

    def begin_step(
        self, fraction: float, preview: torch.Tensor | None, labels: torch.Tensor
    ) -> None:
        """Before an optimizer step: the share of steps done, and for the whole batch the log
        probabilities (b, K), if wanted, and the soft labels (b, K)."""

    def rows(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of each row, (m,), from logits and soft labels (m, K) of a micro-batch."""

    def end_step(self, log_probs: torch.Tensor, labels: torch.Tensor) -> None:
        """After an optimizer step: log probabilities and soft labels (b, K) of the whole batch."""

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Everything that later steps depend on."""

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Take up what :meth:`state_dict` gave."""


def soft_cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """−Σ_k target_k·log p_k of each row, (m,)."""
    return -(target * torch.log_softmax(logits, dim=-1)).sum(-1)


class _Stateless:
    """A loss that is a function of logits and labels alone."""

    wants_preview = False
    wants_history = False

    def begin_step(
        self, fraction: float, preview: torch.Tensor | None, labels: torch.Tensor
    ) -> None:
        """Nothing to prepare."""

    def end_step(self, log_probs: torch.Tensor, labels: torch.Tensor) -> None:
        """Nothing to remember."""

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Empty."""
        return {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Nothing to take up."""


class Xent(_Stateless):
    """Cross-entropy with the soft labels, CE(q, p).

    Source: Burns et al. 2023 (arXiv 2312.09390), section 3.
    """

    def rows(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """See :class:`Loss`."""
        return soft_cross_entropy(logits, labels)


class Squared(_Stateless):
    """Squared error between the centred logits and real targets (m, K), summed over classes.

    What the members of gradient boosting are fitted with (Friedman 2001, "Greedy function
    approximation", section 4.6). Logits are centred, since adding a number to all of them changes
    no probability.
    """

    def rows(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """See :class:`Loss`."""
        return (logits - logits.mean(-1, keepdim=True) - labels).square().sum(-1)


class Logconf:
    """(1 − α_t)·CE(q, p) + α_t·CE(f̂, p), with f̂ the student's own hardened prediction.

    f̂ = argmax_k(log p_k + b_k), for two classes the same as p > τ. The offsets b (the threshold τ)
    are such that the shares of f̂ equal a prior π over the rows they are fitted on: the whole
    optimizer batch as predicted before the step, or (``threshold: buffer``) the last
    ``buffer_size`` training predictions up to the step before. f̂ passes no gradient.
    α_t = α_max·min(1, t/(ρT)).

    The batch is what the paper fits on. A buffer smooths the noise of small batches, but lags: when
    predictions drift together, a stale threshold puts every row on one side, which feeds the drift.

    Source: Burns et al. 2023 (arXiv 2312.09390), section 4.3.2 and appendix A.4. The paper takes
    one half as π; the mean of q is the default here, right for unbalanced pools too.
    """

    def __init__(self, config: LogconfConfig, classes: int) -> None:
        if isinstance(config.prior, float) and classes != 2:
            raise DataError(
                f"the prior of logconf is one number, but the data has {classes} classes",
                next_step="set loss.prior to soft_mean or half",
            )
        self.config = config
        self.wants_preview = config.threshold == "batch"
        self.wants_history = config.threshold == "buffer"
        self.alpha = 0.0
        self.bias = torch.zeros(classes, dtype=torch.float64)
        self._log_probs = torch.zeros(0, classes, dtype=torch.float64)
        self._labels = torch.zeros(0, classes, dtype=torch.float64)

    def begin_step(
        self, fraction: float, preview: torch.Tensor | None, labels: torch.Tensor
    ) -> None:
        """Set α_t and fit b for this step."""
        self.alpha = share_of_own(self.config, fraction)
        if preview is not None:
            self.bias = fit_bias(_double(preview), self._prior(_double(labels)))
        elif len(self._log_probs):
            self.bias = fit_bias(self._log_probs, self._prior(self._labels))
        else:
            self.alpha = 0.0  # nothing to fit the threshold on; also the first value of the ramp

    def rows(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """See :class:`Loss`."""
        own = self.harden(torch.log_softmax(logits.detach(), dim=-1)).to(labels)
        return soft_cross_entropy(logits, (1 - self.alpha) * labels + self.alpha * own)

    def harden(self, log_probs: torch.Tensor) -> torch.Tensor:
        """One-hot f̂ (m, K) of log probabilities (m, K)."""
        shifted = log_probs + self.bias.float().to(log_probs.device)
        return torch.nn.functional.one_hot(shifted.argmax(-1), shifted.shape[-1])

    def end_step(self, log_probs: torch.Tensor, labels: torch.Tensor) -> None:
        """Put the step's predictions into the buffer and let the oldest go."""
        size = self.config.buffer_size
        self._log_probs = torch.cat([self._log_probs, _double(log_probs)])[-size:]
        self._labels = torch.cat([self._labels, _double(labels)])[-size:]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The buffer."""
        return {"log_probs": self._log_probs.clone(), "labels": self._labels.clone()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Take up a buffer."""
        self._log_probs, self._labels = state["log_probs"].clone(), state["labels"].clone()

    def _prior(self, labels: torch.Tensor) -> torch.Tensor:
        prior = self.config.prior
        if prior == "soft_mean":
            return labels.mean(0)
        if prior == "half":
            return torch.full_like(labels[0], 1 / labels.shape[1])
        return torch.tensor([1 - prior, prior], dtype=torch.float64)


def share_of_own(config: LogconfConfig, fraction: float) -> float:
    """α_t after ``fraction`` of all steps.

    ``openai_code`` is what the code released with the paper does: the coefficient is the fraction
    itself until the warm-up ends and 1 from then on, a jump.
    """
    if config.schedule == "linear":
        return config.alpha_max * min(1.0, fraction / config.ramp)
    return config.alpha_max * (fraction if fraction <= config.ramp else 1.0)


def fit_bias(log_probs: torch.Tensor, prior: torch.Tensor, sweeps: int = 50) -> torch.Tensor:
    """Offsets b (K,) such that the shares of argmax(log p + b) over (n, K) come closest to ``prior``.

    Each class in turn gets the offset at which exactly its count of rows prefers it over all
    others, which is coordinate ascent on the dual of assigning rows to classes. For two classes
    the second sweep changes nothing and −b_1 is the quantile of the log odds, halfway between
    neighbours. Rows that tie fall to one side together.
    """
    n, classes = log_probs.shape
    wanted = _counts(prior, n)
    bias = torch.zeros(classes, dtype=log_probs.dtype)
    for _ in range(sweeps if classes > 2 else 1):
        for k in range(1, classes):
            others = (log_probs + bias).clone()
            others[:, k] = -torch.inf
            needed = others.amax(1) - log_probs[:, k]  # b_k above which a row goes to k
            bias[k] = _between(needed.sort().values, int(wanted[k]))
        counts = torch.bincount((log_probs + bias).argmax(1), minlength=classes)
        if torch.equal(counts, wanted):
            break
    return bias


def _between(ascending: torch.Tensor, below: int) -> torch.Tensor:
    """A number with ``below`` entries under it, halfway to the next one."""
    if below == 0:
        return ascending[0] - 1
    if below == len(ascending):
        return ascending[-1] + 1
    return (ascending[below - 1] + ascending[below]) / 2


def _counts(prior: torch.Tensor, n: int) -> torch.Tensor:
    """``n`` rows shared out in proportion to ``prior``, whole numbers, largest remainders first."""
    exact = prior * n
    counts = exact.floor().long()
    rest = n - int(counts.sum())
    # Rounding the remainders keeps equal shares equal whatever the last bit of the mean.
    order = torch.argsort((exact - counts).round(decimals=9), descending=True, stable=True)
    counts[order[:rest]] += 1
    return counts


def _double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().double()


def make_loss(config: XentConfig | LogconfConfig, classes: int) -> Loss:
    """The loss a config names."""
    return Xent() if isinstance(config, XentConfig) else Logconf(config, classes)
