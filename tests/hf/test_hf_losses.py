"""Losses against formulas written apart from them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from w2s_hf.loss_config import LogconfConfig, XentConfig
from w2s_hf.losses import Logconf, Xent, fit_bias, make_loss, share_of_own
from w2s_toolkit.errors import DataError

RNG = np.random.default_rng(0)


def random_batch(n=40, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, classes))
    labels = rng.dirichlet(np.ones(classes), n)
    return torch.tensor(logits, dtype=torch.float32), torch.tensor(labels, dtype=torch.float32)


def log_probs(logits):
    return torch.log_softmax(logits, -1)


def numpy_xent(logits, target):
    z = logits - logits.max(1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    return -(target * log_p).sum(1)


def test_xent_is_soft_cross_entropy():
    logits, labels = random_batch(classes=3)
    ours = Xent().rows(logits, labels).numpy()
    assert np.allclose(ours, numpy_xent(logits.numpy(), labels.numpy()), atol=1e-5)


def test_logconf_on_the_whole_batch_is_the_papers_formula():
    logits, labels = random_batch(41)
    loss = Logconf(LogconfConfig(threshold="batch", prior="half", alpha_max=0.75, ramp=0.5), 2)
    loss.begin_step(0.25, log_probs(logits), labels)
    ours = loss.rows(logits, labels).numpy()
    p1 = torch.softmax(logits, -1)[:, 1].numpy()
    tau = np.sort(p1)[::-1][20:22].mean() if (p1 > np.median(p1)).sum() > 20 else np.median(p1)
    hard = np.eye(2)[(p1 > tau).astype(int)]
    # An odd batch cannot be halved: 20 or 21 positives are both as near as can be.
    assert abs(hard[:, 1].mean() - 0.5) <= 1 / 41
    alpha = 0.75 * 0.25 / 0.5
    mixed = (1 - alpha) * labels.numpy() + alpha * hard
    assert np.isclose(ours, numpy_xent(logits.numpy(), mixed), atol=1e-5).sum() >= 40


@pytest.mark.parametrize("prior", [0.1, 0.37, 0.5, 0.9, 0.0, 1.0])
def test_hardened_shares_match_the_prior(prior):
    logits, labels = random_batch(100)
    loss = Logconf(LogconfConfig(threshold="batch", prior=prior), 2)
    loss.begin_step(1.0, log_probs(logits), labels)
    assert loss.harden(log_probs(logits))[:, 1].sum() == round(100 * prior)


def test_two_classes_are_a_threshold_on_the_probability():
    logits, labels = random_batch(64)
    loss = Logconf(LogconfConfig(threshold="batch"), 2)
    loss.begin_step(1.0, log_probs(logits), labels)
    tau = torch.sigmoid(-loss.bias[1])
    new, _ = random_batch(500, seed=7)
    positive = torch.softmax(new, -1)[:, 1] > tau
    assert torch.equal(loss.harden(log_probs(new))[:, 1].bool(), positive)
    share = float(labels[:, 1].mean())
    p1 = torch.softmax(logits, -1)[:, 1].numpy()
    assert (p1 > float(tau)).sum() == round(64 * share)


@pytest.mark.parametrize("classes", [3, 5])
def test_many_classes_match_the_prior_too(classes):
    logits, _ = random_batch(300, classes)
    prior = torch.tensor(np.random.default_rng(2).dirichlet(np.full(classes, 4.0)))
    bias = fit_bias(log_probs(logits).double(), prior)
    counts = torch.bincount((log_probs(logits) + bias).argmax(1), minlength=classes)
    assert (counts / 300 - prior).abs().max() < 0.01


def test_the_share_of_own_predictions_rises_to_its_highest_value():
    linear = LogconfConfig(alpha_max=0.5, ramp=0.2)
    assert [share_of_own(linear, f) for f in (0, 0.1, 0.2, 1)] == [0, 0.25, 0.5, 0.5]
    jump = LogconfConfig(alpha_max=0.5, ramp=0.1, schedule="openai_code")
    assert [share_of_own(jump, f) for f in (0, 0.1, 0.11, 1)] == [0, 0.05, 0.5, 0.5]


def test_own_predictions_pass_no_gradient():
    logits, labels = random_batch(32)
    loss = Logconf(LogconfConfig(threshold="batch", ramp=0.1), 2)
    logits.requires_grad_(True)
    loss.begin_step(1.0, log_probs(logits), labels)
    loss.rows(logits, labels).sum().backward()
    hard = loss.harden(log_probs(logits.detach()))
    target = 0.5 * labels + 0.5 * hard
    assert torch.allclose(logits.grad, torch.softmax(logits.detach(), -1) - target, atol=1e-6)


def test_the_buffer_is_bounded_and_moves_only_at_the_end_of_a_step():
    loss = Logconf(LogconfConfig(threshold="buffer", buffer_size=48), 2)
    logits, labels = random_batch(32)
    loss.begin_step(0.5, None, labels)
    assert loss.alpha == 0  # nothing is known of the predictions yet
    loss.rows(logits, labels)
    assert len(loss.state_dict()["log_probs"]) == 0
    loss.end_step(log_probs(logits), labels)
    loss.end_step(log_probs(logits), labels)
    state = loss.state_dict()
    assert len(state["log_probs"]) == len(state["labels"]) == 48
    assert torch.allclose(state["log_probs"][-32:], log_probs(logits).double())


def test_the_threshold_comes_from_the_buffer():
    logits, labels = random_batch(40)
    loss = Logconf(LogconfConfig(threshold="buffer", prior=0.25), 2)
    loss.end_step(log_probs(logits), labels)
    loss.begin_step(1.0, None, labels)
    assert loss.alpha == 0.5
    assert loss.harden(log_probs(logits))[:, 1].sum() == 10


def test_a_loss_goes_on_from_its_saved_state():
    config = LogconfConfig(threshold="buffer", buffer_size=16)
    one, two = Logconf(config, 3), Logconf(config, 3)
    logits, labels = random_batch(20, 3)
    one.end_step(log_probs(logits), labels)
    two.load_state_dict(one.state_dict())
    for loss in (one, two):
        loss.begin_step(0.9, None, labels)
    assert torch.equal(one.rows(logits, labels), two.rows(logits, labels))


def test_parts_of_a_batch_give_the_rows_of_the_whole():
    logits, labels = random_batch(40)
    loss = Logconf(LogconfConfig(threshold="buffer"), 2)
    loss.end_step(log_probs(logits), labels)
    loss.begin_step(1.0, None, labels)
    whole = loss.rows(logits, labels)
    parts = torch.cat([loss.rows(logits[i : i + 7], labels[i : i + 7]) for i in range(0, 40, 7)])
    assert torch.allclose(whole, parts, atol=1e-7)


def test_a_number_as_prior_needs_two_classes():
    with pytest.raises(DataError, match="3 classes"):
        make_loss(LogconfConfig(prior=0.3), 3)
    assert isinstance(make_loss(XentConfig(), 3), Xent)
