"""Ensembles of weak supervisors: bagging, AdaBoost and gradient boosting."""
