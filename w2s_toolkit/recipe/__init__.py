"""Recipe files: read, change, check."""
