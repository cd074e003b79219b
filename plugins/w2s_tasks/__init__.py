"""Tasks: your own table, SST-2 and SciQ."""
