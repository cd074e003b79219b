"""``w2s runs diff``: what differs between two runs, and by how much their results do."""
