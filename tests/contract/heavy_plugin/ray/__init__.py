"""Stands for the heavy package of this name."""
