"""Many files at once: which, one after another, and what became of each."""
