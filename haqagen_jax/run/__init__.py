"""A training run: set-up, loop, checkpoints, validation and records."""
