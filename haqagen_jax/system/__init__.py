"""The machine: files, the terminal, caches, threads; no images, no networks."""
