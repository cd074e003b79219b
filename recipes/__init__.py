"""Recipes that come with the toolkit, as package data."""
