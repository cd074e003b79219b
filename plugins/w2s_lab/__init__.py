"""The embedded lab: a made-up world, and language models of growing size that have read about it."""
