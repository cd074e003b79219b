"""A third-party plugin as its author would write it: word counts instead of neural networks."""
