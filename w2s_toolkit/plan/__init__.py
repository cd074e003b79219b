"""Recipes as graphs of keyed stages."""
