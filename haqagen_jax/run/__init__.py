"""A training run: set-up, loop, checkpoints, and what is written down."""
