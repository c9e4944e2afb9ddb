"""Scores on real pairs, with the baselines beside them."""
