"""``w2s doctor``: what is installed, what the machine offers, and whether store and runs are whole."""
