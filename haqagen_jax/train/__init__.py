"""The mathematics of training: state, step, optimizer; no files, no terminal."""
