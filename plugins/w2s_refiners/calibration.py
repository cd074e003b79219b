"""Maps from probabilities to calibrated ones, fitted on gold labels and kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s_refiners.config import Method
from w2s_toolkit.data import BoolArray, FloatArray

State = Mapping[str, Any]

NOTHING: State = {"method": "none"}
LEAST = 1e-6
"""Probabilities are kept this far from 0 and 1: no label is ever called impossible."""

COLDEST, HOTTEST = 0.05, 20.0


def fit(
    method: Method, probs: FloatArray, gold: npt.NDArray[np.int64], given: BoolArray
) -> tuple[State, str]:
    """A calibration map, and why there is none; empty if there is one.

    Args:
        probs: (n, K) probabilities.
        gold: (n,) gold classes.
        given: (n,) rows that have an answer; others have no say.
    """
    order = np.lexsort((*probs[given].T, gold[given]))  # sums must not depend on the order of rows
    probs, gold = probs[given][order], gold[given][order]
    if not len(gold):
        return NOTHING, "no row has an answer"
    if len(np.unique(gold)) < 2:
        return NOTHING, "all gold labels are of one class"
    return {"method": method, **_FITS[method](probs, gold)}, ""


def apply(state: State, probs: FloatArray) -> FloatArray:
    """Calibrated probabilities, (n, K)."""
    if state["method"] == "none" or not len(probs):
        return probs
    return normalised(_APPLIES[state["method"]](state, probs))


def logs(probs: FloatArray) -> FloatArray:
    """Log-probabilities (n, K), centred in each row."""
    values = np.log(np.clip(probs, LEAST, 1.0))
    return np.asarray(values - values.mean(1, keepdims=True))


def softmax(values: FloatArray) -> FloatArray:
    """Probabilities (n, K) of logits (n, K)."""
    shifted = np.exp(values - values.max(1, keepdims=True))
    return np.asarray(shifted / shifted.sum(1, keepdims=True))


def normalised(probs: FloatArray) -> FloatArray:
    """Probabilities away from 0 and 1, with rows that sum to one."""
    probs = np.clip(probs, LEAST, 1.0)
    return np.asarray(probs / probs.sum(1, keepdims=True))


def _fit_temperature(probs: FloatArray, gold: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Guo et al. 2017 (arXiv 1706.04599), section 4.2."""
    from scipy.optimize import minimize_scalar

    values, rows = logs(probs), np.arange(len(gold))

    def loss(log_t: float) -> float:
        return float(-np.log(softmax(values / np.exp(log_t))[rows, gold]).mean())

    limits = (float(np.log(COLDEST)), float(np.log(HOTTEST)))
    found = minimize_scalar(loss, bounds=limits, method="bounded", options={"xatol": 1e-6})
    return {"temperature": float(np.exp(found.x))}


def _apply_temperature(state: State, probs: FloatArray) -> FloatArray:
    return softmax(logs(probs) / state["temperature"])


def _fit_platt(probs: FloatArray, gold: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Platt 1999, as a multinomial regression; its small penalty keeps separable labels finite."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, max_iter=1000, tol=1e-8).fit(logs(probs), gold)
    known, classes = [int(c) for c in model.classes_], probs.shape[1]
    slopes, offsets = np.zeros((classes, classes)), np.full(classes, -np.inf)
    if len(known) == 2:  # scikit-learn gives one row, that of the second class
        slopes[known[1]], offsets[known[0]] = model.coef_[0], 0.0
        offsets[known[1]] = model.intercept_[0]
    else:
        slopes[known], offsets[known] = model.coef_, model.intercept_
    finite = np.where(np.isfinite(offsets), offsets, -30.0)  # a class that gold does not hold
    return {"slopes": slopes.tolist(), "offsets": finite.tolist()}


def _apply_platt(state: State, probs: FloatArray) -> FloatArray:
    slopes, offsets = np.array(state["slopes"]), np.array(state["offsets"])
    return softmax(logs(probs) @ slopes.T + offsets)


def _fit_isotonic(probs: FloatArray, gold: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Zadrozny and Elkan 2002: one curve a class against the rest."""
    from sklearn.isotonic import IsotonicRegression

    curves = []
    for k in range(probs.shape[1]):
        curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        curve.fit(probs[:, k], (gold == k).astype(np.float64))
        curves.append([curve.X_thresholds_.tolist(), curve.y_thresholds_.tolist()])
    return {"curves": curves}


def _apply_isotonic(state: State, probs: FloatArray) -> FloatArray:
    columns = [np.interp(probs[:, k], *curve) for k, curve in enumerate(state["curves"])]
    return np.stack(columns, 1)


_FITS = {"temperature": _fit_temperature, "platt": _fit_platt, "isotonic": _fit_isotonic}
_APPLIES = {"temperature": _apply_temperature, "platt": _apply_platt, "isotonic": _apply_isotonic}
