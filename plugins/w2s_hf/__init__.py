"""Models, supervisors and students that run on PyTorch and transformers."""
