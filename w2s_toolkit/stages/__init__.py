"""What runs inside a stage's process."""
