"""Evaluators: accuracy, AUROC, performance gap recovered, agreement and calibration."""
